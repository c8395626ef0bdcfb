"""Exit status 0 if there are the modules that the clients need."""

import sys

import check_images

check_images.run_where_modules_are()
sys.exit(not check_images.have_modules())

#!/bin/sh
# The packages this Debian or Ubuntu machine knows of, as rows for COPY: name,
# version, section, priority, installed size in kB, description.
#
# apt's index has tens of thousands; where it was thrown away (images do that)
# there remain the packages installed here.
{
	if [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' \
		2>/dev/null | head -n 1)" ]; then
		apt-cache dumpavail
	elif [ -e /var/lib/dpkg/status ]; then
		cat /var/lib/dpkg/status
	fi
} | awk '
	function text(value)
	{
		gsub(/\\/, "\\\\", value)
		gsub(/\t/, " ", value)
		return (value == "") ? "\\N" : value
	}
	function number(value)
	{
		return (value ~ /^[0-9]+$/) ? value : "\\N"
	}
	function flush_record()
	{
		if (field["Package"] != "" && field["Version"] != "")
			printf "%s\t%s\t%s\t%s\t%s\t%s\n", text(field["Package"]),
				text(field["Version"]), text(field["Section"]),
				text(field["Priority"]),
				number(field["Installed-Size"]),
				text(field["Description"])
		split("", field)
	}
	/^$/ { flush_record(); next }
	/^[A-Za-z]/ {
		colon = index($0, ":")
		key = substr($0, 1, colon - 1)
		if (key == "Description-en")
			key = "Description"
		value = substr($0, colon + 1)
		sub(/^ +/, "", value)
		field[key] = value
	}
	END { flush_record() }'

#!/bin/sh
# A headless Chromium for the tests of report pages, where it can be had; without one they are skipped and say so.
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the tests of report pages ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >/dev/null 2>&1 && exit 0
fi
echo "No Chromium here: the tests that open report pages will be skipped. Install one, or set CHROMIUM to its path."

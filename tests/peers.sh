#!/usr/bin/env bash
# Installs the real peers of the tests where apt is there and we may: Orthanc, DCMTK, PostgreSQL,
# PixelMed's validator, and the T1 head of mricron-data. Does nothing when they are there; never fails: the tests tell.
set -u
missing=()
command -v Orthanc >/dev/null 2>&1 || [ -x /usr/sbin/Orthanc ] || missing+=(orthanc)
command -v storescu >/dev/null 2>&1 || missing+=(dcmtk)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
[ -e /usr/share/java/pixelmed.jar ] || missing+=(libpixelmed-java)
command -v java >/dev/null 2>&1 || missing+=(default-jre-headless)
command -v systemd-analyze >/dev/null 2>&1 || missing+=(systemd)
[ -e /usr/share/mricron/templates/ch2.nii.gz ] || missing+=(mricron-data)
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null 2>&1 || { echo "no apt here: tests with ${missing[*]} will be skipped"; exit 0; }
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || { echo "no root here: tests with ${missing[*]} will be skipped"; exit 0; }
  sudo=(sudo -n)
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
"${sudo[@]}" apt-get update -qq >/dev/null 2>&1
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
  echo "could not install ${missing[*]}: their tests will be skipped"
exit 0

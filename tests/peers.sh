#!/usr/bin/env bash
# Installs the real peers of the tests where apt is there and we may: Orthanc, DCMTK, PostgreSQL,
# PixelMed's validator, the T1 head of mricron-data, Chromium and OHIF. Does nothing when they are there; never fails:
# the tests tell.
set -u
OHIF=3.13.2
OHIF_SHA512=5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10

install_packages() {
  local missing=() sudo=()
  command -v Orthanc >/dev/null 2>&1 || [ -x /usr/sbin/Orthanc ] || missing+=(orthanc)
  [ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing+=(orthanc-dicomweb)
  command -v storescu >/dev/null 2>&1 || missing+=(dcmtk)
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
  [ -e /usr/share/java/pixelmed.jar ] || missing+=(libpixelmed-java)
  command -v java >/dev/null 2>&1 || missing+=(default-jre-headless)
  command -v systemd-analyze >/dev/null 2>&1 || missing+=(systemd)
  [ -e /usr/share/mricron/templates/ch2.nii.gz ] || missing+=(mricron-data)
  command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || missing+=(chromium)
  command -v npm >/dev/null 2>&1 || [ -e "$pages" ] || missing+=(npm)
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null 2>&1 || { echo "no apt here: tests with ${missing[*]} will be skipped"; return; }
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || { echo "no root here: tests with ${missing[*]} will be skipped"; return; }
    sudo=(sudo -n)
  fi
  echo "Installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq >/dev/null 2>&1
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    echo "could not install ${missing[*]}: their tests will be skipped"
}

# OHIF's package holds its built pages: 60 MB without source maps and the models that it can draw with.
# They come to their place whole or not at all.
fetch_ohif() {
  local work
  [ -e "$pages" ] && return
  echo "Fetching OHIF $OHIF"
  mkdir -p "${pages%/*}" && work=$(mktemp -d "$pages.XXXXXX") || return
  if (cd "$work" && npm pack --silent "@ohif/app@$OHIF" >/dev/null 2>&1 &&
    echo "$OHIF_SHA512  ohif-app-$OHIF.tgz" | sha512sum --check --status &&
    mkdir pages && tar -xzf "ohif-app-$OHIF.tgz" -C pages --strip-components=2 \
      --exclude='*.map' --exclude='package/dist/ort' package/dist); then
    mv -T "$work/pages" "$pages"
  else
    echo "could not fetch OHIF $OHIF: its tests will be skipped"
  fi
  rm -rf "$work"
}

pages="$HOME/.cache/radnode/ohif-$OHIF"
install_packages
fetch_ohif
exit 0

"""OHIF as a web server: its built pages, and a PACS's DICOMweb under the same address.

`tests/peers.sh` fetches the pages. A browser asks one address only, so that no question of
cross-origin requests arises: what begins with /dicom-web is handed on to Orthanc.
"""

import http.server
import threading
import urllib.error
import urllib.request
from pathlib import Path

from bench import orthanc
from tests.viewer import browser

VERSION = "3.13.2"
PAGES = Path.home() / ".cache" / "radnode" / f"ohif-{VERSION}"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
CONFIGURATION = b"""
window.config = {
  name: 'radnode tests', routerBasename: null, extensions: [], modes: [], showStudyList: true,
  maxNumberOfWebWorkers: 2, showCPUFallbackMessage: false, showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true, investigationalUseDialog: {option: 'never'},
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'orthanc',
    configuration: {
      friendlyName: 'Orthanc', name: 'orthanc',
      wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: false, supportsReject: false, supportsFuzzyMatching: false,
      supportsWildcard: true, dicomUploadEnabled: false, enableStudyLazyLoad: true,
      imageRendering: 'wadors', thumbnailRendering: 'wadors',
      omitQuotationForMultipartRequest: true,
      bulkDataURI: {enabled: true, relativeResolution: 'studies'},
    },
  }],
};
"""


def missing():
    """Name what is not installed of all that it takes."""
    there = {
        "Orthanc": orthanc.find(),
        "Orthanc's DICOMweb plugin": PLUGIN.exists(),
        "Chromium": browser.find(),
        f"OHIF {VERSION}": (PAGES / "index.html").exists(),
    }
    return [name for name, found in there.items() if not found]


def pacs(folder):
    """Give an Orthanc that speaks DICOMweb, to be started by a `with`."""
    return orthanc.Orthanc(folder, settings={"Plugins": [str(PLUGIN)]})


class Pages(http.server.SimpleHTTPRequestHandler):
    """The built pages; any path that is no file is the application's own."""

    protocol_version = "HTTP/1.1"
    pacs = ""

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=PAGES)

    def log_message(self, *_):
        """Say nothing."""

    def end_headers(self):
        # The decoders share memory between threads, which browsers allow to isolated pages only.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/dicom-web"):
            self._hand_on()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", CONFIGURATION)
        else:
            if not (PAGES / path.lstrip("/")).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _hand_on(self):
        accepted = {"Accept": self.headers.get("Accept", "*/*")}
        request = urllib.request.Request(self.pacs + self.path, headers=accepted)
        try:
            with urllib.request.urlopen(request, timeout=60) as got:
                self._answer(got.status, got.headers["Content-Type"], got.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.headers["Content-Type"], error.read())

    def _answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Viewer:
    """OHIF on a free port before one Orthanc, until the end of a `with`."""

    def __init__(self, pacs):
        handler = type("PagesOfOne", (Pages,), {"pacs": f"http://127.0.0.1:{pacs.http_port}"})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

"""The real node with a defect in its SEG writer: the masks lie a millimetre beside the images.

    python spoiled.py run --config FILE

The defect is put into the finished file, where only the gate can notice it.
"""

import sys

import pydicom

from node.cli import main
from node.dicom import results
from node.dicom.results.model_run import handed_over

real_write = results.seg.write_seg


def write_beside(run):
    made = real_write(run)
    dataset = pydicom.dcmread(made.path)
    for item in dataset.PerFrameFunctionalGroupsSequence:
        position = item.PlanePositionSequence[0]
        position.ImagePositionPatient = [float(v) + 1 for v in position.ImagePositionPatient]
    dataset.save_as(made.path, enforce_file_format=True)
    return handed_over(made.kind, dataset, made.path)


results.seg.write_seg = write_beside
sys.exit(main(sys.argv[1:]))

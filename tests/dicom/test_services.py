"""What the node says it takes."""

from pynetdicom import sop_class

from node.dicom import services


def test_everything_that_pynetdicom_calls_storage_is_taken():
    missing = set(sop_class._STORAGE_CLASSES.values()) - set(services.STORAGE_CLASSES)
    assert missing == set()


def test_every_kind_and_encoding_has_a_name():
    for uid in (*services.STORAGE_CLASSES, *services.TRANSFER_SYNTAXES):
        assert services.name(uid) != uid


def test_objects_without_a_study_are_not_taken():
    assert not any("Hanging Protocol" in services.name(u) for u in services.STORAGE_CLASSES)
    assert not any("Defined Procedure" in services.name(u) for u in services.STORAGE_CLASSES)


def test_uncompressed_comes_first_and_nothing_twice():
    assert services.TRANSFER_SYNTAXES[0] == "1.2.840.10008.1.2.1"
    assert len(set(services.TRANSFER_SYNTAXES)) == len(services.TRANSFER_SYNTAXES)

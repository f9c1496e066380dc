"""What peers tell us of series beside images, on both paths: heard, counted, and nothing kept."""

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from node.dicom import status
from node.rules.nouns import Source
from node.wire.scp import Listener
from tests.fakes.desk import Desk, wait_until

STEP = "1.2.3.4.5"


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def desk(request):
    desk = Desk()
    listener = Listener("RADNODE", desk, fast=request.param)
    desk.port = listener.start("127.0.0.1", 0)
    assert listener.fast == request.param
    yield desk
    listener.stop()


@pytest.fixture
def caller(desk):
    """An association with everything proposed that a modality, RIS or PACS would."""
    ae = AE("SCANNER")
    for uid in (
        ModalityPerformedProcedureStep,
        InstanceAvailabilityNotification,
        StorageCommitmentPushModel,
    ):
        ae.add_requested_context(uid)
    association = ae.associate("127.0.0.1", desk.port, ae_title="RADNODE")
    assert association.is_established
    yield association
    association.release()


def images(*uids):
    return [reference(uid) for uid in uids]


def reference(uid, **more):
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = uid
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def step(state, **series):
    """What a modality says of a step: its state, and the images of each series."""
    said = Dataset()
    said.PerformedProcedureStepStatus = state
    said.PatientName = "Nobody^Shall Read"
    said.PerformedSeriesSequence = []
    for uid, uids in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid.replace("_", ".").strip("s")
        item.ReferencedImageSequence = images(*uids)
        item.ReferencedNonImageCompositeSOPInstanceSequence = images("9.9.9")
        said.PerformedSeriesSequence.append(item)
    return said


def create(caller, said):
    answer, _ = caller.send_n_create(said, ModalityPerformedProcedureStep, STEP)
    return answer.Status


def change(caller, said, uid=STEP):
    answer, _ = caller.send_n_set(said, ModalityPerformedProcedureStep, uid)
    return answer.Status


def test_a_completed_step_says_how_many_images_its_series_have(desk, caller):
    assert create(caller, step("IN PROGRESS")) == status.SUCCESS
    assert desk.announced == []
    done = step("COMPLETED", s1_2_1=["1.1", "1.2", "1.3"], s1_2_2=["2.1"])
    assert change(caller, done) == status.SUCCESS
    assert desk.announced == [(Source.MPPS, {"1.2.1": 3, "1.2.2": 1})]


def test_what_was_said_while_it_was_in_progress_counts_when_it_is_completed(desk, caller):
    create(caller, step("IN PROGRESS"))
    change(caller, step("IN PROGRESS", s1_2_1=["1.1"]))
    change(caller, step("IN PROGRESS", s1_2_1=["1.1", "1.2"]))
    change(caller, step("COMPLETED"))
    assert desk.announced == [(Source.MPPS, {"1.2.1": 2})]


def test_a_step_that_was_discontinued_says_nothing(desk, caller):
    create(caller, step("IN PROGRESS", s1_2_1=["1.1"]))
    assert change(caller, step("DISCONTINUED", s1_2_1=["1.1"])) == status.SUCCESS
    assert desk.announced == []


def test_a_step_that_was_begun_before_we_were_is_heard(desk, caller):
    assert change(caller, step("COMPLETED", s1_2_1=["1.1"]), "1.2.9") == status.SUCCESS
    assert desk.announced == [(Source.MPPS, {"1.2.1": 1})]


def test_an_image_that_is_named_twice_counts_once(desk, caller):
    change(caller, step("COMPLETED", s1_2_1=["1.1", "1.1", "1.2"]))
    assert desk.announced == [(Source.MPPS, {"1.2.1": 2})]


def test_a_notification_counts_what_is_available(desk, caller):
    said = Dataset()
    series = Dataset()
    series.SeriesInstanceUID = "1.2.1"
    series.ReferencedSOPSequence = [
        reference("1.1", InstanceAvailability="ONLINE"),
        reference("1.2", InstanceAvailability="NEARLINE"),
        reference("1.3", InstanceAvailability="UNAVAILABLE"),
    ]
    said.ReferencedSeriesSequence = [series]
    answer, _ = caller.send_n_create(said, InstanceAvailabilityNotification, "1.2.3")
    assert answer.Status == status.SUCCESS
    assert desk.announced == [(Source.AVAILABILITY, {"1.2.1": 2})]


def ask(caller, *uids):
    wanted = Dataset()
    wanted.TransactionUID = "1.2.3.9"
    wanted.ReferencedSOPSequence = images(*uids)
    sop = StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
    return caller.send_n_action(wanted, 1, *sop)[0]


def test_a_request_to_commit_is_refused_at_once_and_heard(desk, caller):
    answer = ask(caller, "1.1", "1.2")
    assert answer.Status == status.RESOURCE_LIMITATION
    assert "no archive" in answer.ErrorComment
    assert desk.announced == [(Source.COMMITMENT, ["1.1", "1.2"])]


@pytest.mark.parametrize("roles", [(True, False), (False, True), (True, True)])
def test_callers_may_take_either_role_of_storage_commitment(desk, roles):
    ae = AE("PACS")
    ae.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scu_role=roles[0], scp_role=roles[1])
    association = ae.associate("127.0.0.1", desk.port, ae_title="RADNODE", ext_neg=[role])
    assert len(association.accepted_contexts) == 1
    (accepted,) = association.accepted_contexts
    assert (accepted.as_scu, accepted.as_scp) == roles
    if accepted.as_scp:
        said = Dataset()
        said.TransactionUID = "1.2.3"
        said.ReferencedSOPSequence = images("1.1")
        sop = StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1"
        answer, _ = association.send_n_event_report(said, 1, *sop)
        assert answer.Status == status.SUCCESS
        assert desk.reports[0].committed == ("1.1",)
    if accepted.as_scu:
        assert ask(association, "1.1").Status == status.RESOURCE_LIMITATION
    association.release()


@pytest.mark.parametrize(
    "rubbish",
    [b"\x40\x00\x40\x03SQ\0\0\xff\xff\xff\x0f", b"\xff" * 40, b"\x40\x00\x52\x02CS\x04\0ab"],
    ids=["a sequence that never ends", "noise", "cut off"],
)
def test_rubbish_is_answered_and_the_association_goes_on(desk, caller, rubbish, capsys):
    def spoil(event):
        if event.message.__class__.__name__ == "N_SET_RQ":
            event.message.data_set.seek(0)
            event.message.data_set.truncate()
            event.message.data_set.write(rubbish)

    caller.bind(evt.EVT_DIMSE_SENT, spoil)
    answer = change(caller, step("COMPLETED", s1_2_1=["1.1"]))
    assert answer in (status.INVALID_ARGUMENT, status.SUCCESS)
    caller.unbind(evt.EVT_DIMSE_SENT, spoil)
    desk.announced.clear()
    assert change(caller, step("COMPLETED", s1_2_1=["1.1"])) == status.SUCCESS
    assert desk.announced == [(Source.MPPS, {"1.2.1": 1})]


def test_nothing_of_a_patient_is_said_in_the_journal(desk, caller, capsys):
    create(caller, step("IN PROGRESS", s1_2_1=["1.1"]))
    change(caller, step("COMPLETED", s1_2_1=["1.1"]))
    wait_until(lambda: desk.announced)
    assert "Nobody" not in capsys.readouterr().err

"""The command `python -m models evaluate`: one bundle, one list of cases, one report."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from models.evaluation.cases import Costs, Plan, UnfitCasesError, read_plan
from models.evaluation.clinical import clinical
from models.evaluation.compliance import Given, audit_of, compliance, facts_of, identifiers_of
from models.evaluation.duties import Audit
from models.evaluation.images import UnfitImageError
from models.evaluation.intervals import FEW, Draws
from models.evaluation.report import attach, head, write
from models.evaluation.robustness import Effort, robustness
from models.evaluation.running import Seat, UnfitBundleError, open_bundle
from models.evaluation.seeing import Seen, see_all
from models.evaluation.technical import technical
from models.evaluation.turnaround import UnreadableLedgerError, audit_rows, open_to_read, turnaround
from node.bundles.manifest import Bundle, Manifest, file_hash
from node.clock import SystemClock
from node.config import Config, ConfigError, load

ABOUT = "hold a bundle against cases: one report in four dimensions"
QUICK_DRAWS, DRAWS = 200, 2000
SPOILED, SPOILED_CLASSES = 2, 20
"""So many cases are perturbed and attacked, of segmentations and of classifications."""
_TROUBLE = (
    UnfitBundleError,
    UnfitCasesError,
    UnfitImageError,
    UnreadableLedgerError,
    ConfigError,
    OSError,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be said to the command."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--cases", type=Path, required=True, help="the list of cases (YAML)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--audit", default="", metavar="LEDGER", help="URL or SQLite file")
    parser.add_argument("--config", type=Path, help="the node's config.yaml, for compliance")
    parser.add_argument("--twin", type=Path, help="TorchScript or state dict of the same network")
    parser.add_argument("--date", type=date.fromisoformat, help="of the report; default: today")
    parser.add_argument("--prevalence", type=_part, help="where it is to be used; wins over cases")
    parser.add_argument(
        "--costs", type=_costs, metavar="MISS:ALARM", help="of a miss and a false alarm, as 10:1"
    )
    parser.add_argument("--robust-cases", type=int, help="how many cases are spoiled")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few draws, one strength, one case")
    parser.add_argument("--attach", action="store_true", help="put the report into the bundle")


def _part(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("a part is from 0 to 1")
    return value


def _costs(text: str) -> Costs:
    try:
        miss, alarm = (float(one) for one in text.split(":"))
        return Costs(miss=miss, false_alarm=alarm)
    except ValueError as error:
        raise argparse.ArgumentTypeError("write two numbers, as 10:1") from error


@dataclass(frozen=True, slots=True)
class Extras:
    """What goes into a report beside bundle and cases."""

    made: str
    effort: Effort
    draws: Draws
    given: Given
    times: dict[str, Any]
    cases_sha256: str
    quick: bool = False
    twin: Path | None = None


def run(options: argparse.Namespace) -> int:
    """Evaluate as asked.

    Returns:
        0, or 1 when it could not be done; the reason is on stderr.
    """
    try:
        return _run(options)
    except _TROUBLE as error:
        sys.stderr.write(f"not evaluated: {error}\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    bundle = open_bundle(options.bundle)
    plan = read_plan(options.cases, bundle.manifest)
    said = {"prevalence": options.prevalence, "costs": options.costs}
    plan = plan.model_copy(update={key: one for key, one in said.items() if one is not None})
    extras = _extras(options, bundle, plan)
    with Seat(bundle, options.threads) as seat:
        report = evaluate(seat, plan, extras)
    write(report, options.out)
    print(f"{options.out / 'report.html'} and report.json are written")
    if options.attach:
        attach(options.out, bundle.path)
        print(f"attached; `radnode models add {options.bundle}` records the bundle as it is now")
    return 0


def evaluate(
    seat: Seat, plan: Plan, extras: Extras, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Make the whole report.

    Raises:
        UnfitImageError: an image or a reference cannot be read.
    """
    bundle = seat.bundle
    report = head(bundle, extras.made)
    seen = see_all(seat, plan, say)
    report |= {
        "quick": extras.quick,
        "seed": extras.draws.seed,
        "cases_sha256": extras.cases_sha256,
        "cases_scored": sum(not one.refused for one in seen),
        "run_by": dict(seat.facts),
        "warnings": _warnings(seen, bundle.manifest, quick=extras.quick),
        "technical": technical(seen, bundle.manifest, extras.draws),
        "clinical": clinical(seen, plan, bundle.manifest, extras.times),
        "robustness": robustness(seat, plan, extras.effort, extras.twin, say),
    }
    report["compliance"] = compliance(facts_of(bundle, report, extras.given))
    return report


def _extras(options: argparse.Namespace, bundle: Bundle, plan: Plan) -> Extras:
    made = options.date or SystemClock().now().date()
    usual = SPOILED if bundle.manifest.segments else SPOILED_CLASSES
    count = options.robust_cases or (1 if options.quick and bundle.manifest.segments else usual)
    config: Config | None = load(options.config) if options.config else None
    times, audit = _audited(options.audit, bundle.manifest.identity.name)
    images = [case.image for case in plan.cases]
    identifiers = identifiers_of(images, [case.patient for case in plan.cases])
    return Extras(
        made=made.isoformat(),
        effort=Effort(
            cases=count,
            all_strengths=not options.quick,
            patches=1 if options.quick else 2,
            seed=options.seed,
        ),
        draws=Draws(options.seed, QUICK_DRAWS if options.quick else DRAWS),
        given=Given(config, audit, identifiers),
        times=times,
        cases_sha256=file_hash(options.cases),
        quick=options.quick,
        twin=options.twin,
    )


def _audited(url: str, model: str) -> tuple[dict[str, Any], Audit | None]:
    if not url:
        return {"absent": "no audit trail was given (--audit)"}, None
    ledger = open_to_read(url)
    try:
        return turnaround(audit_rows(ledger), model), audit_of(ledger)
    finally:
        ledger.close()


def _warnings(seen: list[Seen], manifest: Manifest, *, quick: bool) -> list[str]:
    """Say at the top what a reader must not miss."""
    found = []
    if manifest.identity.intended_use == "research":
        found.append("For research only: not a medical device.")
    patients = len({one.patient for one in seen if not one.refused})
    if patients < FEW:
        plural = "" if patients == 1 else "s"
        found.append(
            f"Only {patients} patient{plural}: figures and intervals say little about others."
        )
    if any(not one.from_dicom for one in seen if not one.refused):
        found.append("Some cases did not come as DICOM and so did not pass the node's own gate.")
    if quick:
        found.append("A quick run: few draws, one strength of each perturbation.")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command alone: `python -m models evaluate`."""
    parser = argparse.ArgumentParser(prog="python -m models evaluate", description=ABOUT)
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())

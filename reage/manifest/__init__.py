"""Shot and actor manifests: what a coordinator writes, checked and frozen."""

from reage.manifest.actor import ActorManifest
from reage.manifest.age import AgeCurve
from reage.manifest.consent import ConsentRecord, ConsentReference
from reage.manifest.delivery import Delivery
from reage.manifest.loader import load_actor, load_shot, load_shots
from reage.manifest.location import find_actor
from reage.manifest.plate import Plate
from reage.manifest.shot import ActorInShot, Region, ShotManifest
from reage.manifest.validation import ValidationReport, validate

__all__ = [
    "ActorInShot",
    "ActorManifest",
    "AgeCurve",
    "ConsentRecord",
    "ConsentReference",
    "Delivery",
    "Plate",
    "Region",
    "ShotManifest",
    "ValidationReport",
    "find_actor",
    "load_actor",
    "load_shot",
    "load_shots",
    "validate",
]

"""Read the other components in a title: memory, storage, graphics card, operating system, and the quantity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.titles.tokenizer import PrefilteredPattern, tokenize

_GB_PER_UNIT = {"gb": 1, "go": 1, "gig": 1, "tb": 1000, "to": 1000}
_SIZE = re.compile(r"([0-9]+(?:[.,][0-9]+)?)(gb|go|gig|tb|to)?\+?")
_TIMES = re.compile(r"([1-9][0-9]?)x([0-9]+)(gb|go|gig)")
# A title that none of these patterns matches contains no size and no kind of memory.
_SIZE_FILTERS = (
    PrefilteredPattern(("gig", "ssd", "hdd", "nvme", "ddr"), re.compile("gig|ssd|hdd|nvme|ddr")),
    PrefilteredPattern(("gb", "tb", "go", "to"), re.compile(r"[0-9][^a-z0-9]*(?:gb|tb|go|to)(?![a-z0-9])")),
)
_MEMORY_WORDS = frozenset({
    "ram", "memory", "arbeitsspeicher", "speicher", "memoire", "memoria", "dimm", "sodimm", "udimm", "rdimm", "ecc",
})  # fmt: skip
_MEMORY_KIND = re.compile(r"(?:lp)?ddr[2345]x?l?|pc[2345]l?")
_STORAGE_KINDS = {
    "ssd": "SSD", "nvme": "NVMe SSD", "mdot2": "SSD", "hdd": "HDD", "hd": "HDD", "sshd": "HDD", "emmc": "eMMC",
    "festplatte": "HDD", "harddrive": "HDD", "sas": "HDD", "rpm": "HDD",
}  # fmt: skip
_STORAGE_WORDS = frozenset(
    {"storage", "drive", "disk", "disque", "disco", "sata", "pcie", "solid", "hard", "flash", "boot"}
)
# Words after a size that is not that of memory or storage: "12 GB GDDR6".
_OTHER_SIZE_WORDS = frozenset({"cache", "l2", "l3", "vram", "gddr5", "gddr6", "gddr6x", "gpu", "graphics", "video"})
# Words that may stand between a size and the word that explains it.
_SKIPPED_WORDS = frozenset({"of", "de", "x", "m2", "samsung", "crucial", "intel", "new", "fast", "internal"})
# GB. An unexplained size up to the first limit may be memory; from the second limit on, it is storage.
_MAX_UNEXPLAINED_MEMORY = 64
_MIN_UNEXPLAINED_STORAGE = 120

_GPU = PrefilteredPattern(
    ("gt", "rtx", "rx", "mx", "quadro", "firepro", "arc", "titan", "tesla", "radeon"),
    re.compile(
        r"\b(?:(geforce|quadro|radeon)\s*)?(?:\b(gtx|rtx|gts|gt|rx|mx|quadro|firepro|arc|titan|tesla)[\s-]*(pro\s+|wx\s*)?"
        r"([a-z]{0,2}[0-9]{2,4}[a-z]{0,2})((?:\s*(?:ti|super|xtx|xt|gre|max-q|ada))*)"
        r"|(?<=quadro )([kmpt]?[0-9]{3,4}m?)|(?<=radeon )((?:pro |vii|r[579] |hd )?[0-9]{3,4}[a-z]{0,2}))\b"
    ),
)
_GPU_NAMES = {"geforce": "GeForce", "firepro": "FirePro", "ti": "Ti"}
_ABBREVIATION = re.compile(r"[0-9]|^[a-z]{1,3}$")
_OPERATING_SYSTEMS = (
    (
        PrefilteredPattern(
            ("win",),
            re.compile(
                r"\bwin(?:dows)?\s*-?\s*(11|10|8\.1|8|7|xp|vista)\s*(pro(?:fessional)?|home|p|h|enterprise|iot)?\b"
            ),
        ),
        "Windows",
    ),
    (PrefilteredPattern(("w1", "w7"), re.compile(r"\bw(11|10|7)\s*-?\s*(pro|home|p|h)?\b")), "Windows"),
    (PrefilteredPattern(("windows",), re.compile(r"\bwindows\s+server\s*(20[0-9]{2})?()")), "Windows Server"),
    (
        PrefilteredPattern(
            ("linux", "ubuntu", "debian", "fedora", "mint"),
            re.compile(r"\b(?:linux|ubuntu|debian|fedora|mint)()()\b"),
        ),
        "Linux",
    ),
    (PrefilteredPattern(("chrome",), re.compile(r"\b(?:chrome\s?os)()()\b")), "ChromeOS"),
    (PrefilteredPattern(("mac",), re.compile(r"\b(?:mac\s?os)()()\b")), "macOS"),
)
_EDITIONS = {"p": "Pro", "h": "Home", "professional": "Pro", "iot": "IoT"}
_QUANTITIES = (
    PrefilteredPattern(
        ("lot", "set", "pack", "bundle", "qty", "quantity", "menge", "anzahl"),
        re.compile(
            r"\b(?:lot|set|pack|bundle|qty|quantity|menge|anzahl)\s*(?:of|:)?\s*\(?([1-9][0-9]{0,2})\b"
            r"(?![.,]?[0-9]*\s*(?:gb|tb|mb|ghz))"
        ),
    ),
    PrefilteredPattern(("x ",), re.compile(r"(?:^|[\s(])([1-9][0-9]{0,2})\s?x\s+(?=[a-z(])(?!86)")),
    PrefilteredPattern(("x)",), re.compile(r"\(([1-9][0-9]?)\s?x\)")),
    PrefilteredPattern(("x",), re.compile(r"(?:^|[\s(])x\s?([1-9][0-9]?)\s*\)?$")),
    PrefilteredPattern(
        ("x", "pcs", "pieces", "stück", "stk"),
        re.compile(r"^\(?([1-9][0-9]{0,2})\)?\s?(?:x|pcs|pieces|stück|stk)\b(?!\s*[0-9]+\s?(?:gb|tb|go))"),
    ),
    PrefilteredPattern(
        ("pcs", "pieces", "stück", "stk", "units"),
        re.compile(r"\b([1-9][0-9]{0,2})\s?(?:pcs|pieces|stück|stk|units)\b"),
    ),
)
_PAIR = PrefilteredPattern(
    ("pair", "paar", "dual", "2-way"),
    re.compile(
        r"\b(?:pair|matched pair|paar|dual|2-way)\b"
        r"(?!\s*-?\s*(?:core|channel|boot|band|monitor|display|lan|fan|rank|slot))"
    ),
)

# For a `KeywordFilter`: `parse_components` finds nothing in a title without any of these.
COMPONENT_WORDS = (
    "gb", "tb", "go", "to", "gig", "ssd", "hdd", "nvme", "ddr", "lpddr", "w", "linux", "ubuntu", "debian", "fedora",
    "mint", "lot", "set", "pack", "bundle", "qty", "quantity", "menge", "anzahl", "x", "pcs", "pieces", "stk", "units",
    "pair", "paar", "dual", "way",
)  # fmt: skip
COMPONENT_SUBSTRINGS = (*_GPU.substrings, "win", "chrome", "mac")


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive: its size in GB, and its kind (SSD, NVMe SSD, HDD or eMMC), None if the title does not say."""

    size_gb: int
    kind: str | None


@dataclass(frozen=True, slots=True)
class Components:
    """The components in a title besides the CPU. `quantity` is the number of items of a lot or a pair, else 1."""

    memory_gb: int | None = None
    memory_kind: str | None = None
    storage: tuple[Drive, ...] = ()
    graphics: str | None = None
    operating_system: str | None = None
    quantity: int = 1

    def __bool__(self) -> bool:
        return self != Components()


@lru_cache(maxsize=1024)
def parse_components(title: str) -> Components:
    """Read the components in a title."""
    text = " ".join(title[:1000].lower().replace("\u00d7", "x").split())
    memory_gb, memory_kind, storage = _parse_sizes(*tokenize(text)) if _may_contain_sizes(text) else (None, None, [])
    return Components(
        memory_gb,
        memory_kind,
        tuple(storage),
        _parse_graphics(text),
        _parse_operating_system(text),
        _parse_quantity(text),
    )


def _may_contain_sizes(text: str) -> bool:
    """Return False for most titles, which then need no tokenization.

    Text that is not ASCII always needs it, because tokenization can convert other letters to ASCII.
    """
    return not text.isascii() or any(pattern.search(text) for pattern in _SIZE_FILTERS)


def _parse_sizes(words: list[str], gaps: list[str]) -> tuple[int | None, str | None, list[Drive]]:
    """Return the memory in GB, the kind of memory, and the drives."""
    memory_gb: int | None = None
    memory_kind = next(
        (word.upper() for word in words if _MEMORY_KIND.fullmatch(word) and word.startswith(("ddr", "lp"))), None
    )
    drives: list[Drive] = []
    unexplained: list[int] = []
    size_count, has_labels_first = 0, False
    for index in range(len(words)):
        size, end = _parse_size(words, gaps, index)
        if not size:
            continue
        has_labels_first = has_labels_first or bool(index and not size_count and _role_of_label(words[index - 1]))
        size_count += 1
        role = _find_role(words, index, end, has_labels_first)
        if role == "memory":
            memory_gb = memory_gb or size
        elif role == "" and size < _MIN_UNEXPLAINED_STORAGE:
            unexplained.append(size)
        elif role != "other":
            drives.append(Drive(size, role if role not in {"", "storage"} else None))
    if memory_gb is None and len(set(unexplained)) == 1 and unexplained[0] <= _MAX_UNEXPLAINED_MEMORY:
        memory_gb = unexplained[0]
    return memory_gb, memory_kind, drives


def _parse_size(words: list[str], gaps: list[str], index: int) -> tuple[int, int]:
    """Return the size in GB that starts at a word (0 if there is none) and the index after it."""
    word = words[index]
    if times := _TIMES.fullmatch(word):
        return int(times[1]) * int(times[2]), index + 1
    match = _SIZE.fullmatch(word) if word[0].isdigit() else None
    if match is None:
        return 0, index
    unit, end = match[2], index + 1
    if unit is None:
        after = words[end] if end < len(words) else ""
        if after in {"gb", "go", "gig", "tb", "to"}:
            unit, end = after, end + 1
        elif after in {"ssd", "hdd", "nvme"} and len(match[1]) >= 3 and match[1].isdigit():
            unit = "gb"
        elif end < len(words) and gaps[end] == "/" and (next_size := _SIZE.fullmatch(words[end])) and next_size[2]:
            unit = "gb" if int(next_size[1].split(",")[0].split(".")[0] or 0) else None  # "16/512GB"
        if unit is None:
            return 0, index
    size = round(float(match[1].replace(",", ".")) * _GB_PER_UNIT[unit]) if match[1].count(".") < 2 else 0
    if index >= 2 and words[index - 1] == "x" and words[index - 2].isdigit() and len(words[index - 2]) == 1:
        size *= int(words[index - 2])
    return size, end


def _find_role(words: list[str], index: int, end: int, has_labels_first: bool) -> str:
    """Return what a size belongs to: "memory", "storage", a kind of storage, "other", or "" if unexplained.

    `has_labels_first` is true for titles like "RAM 16GB SSD 512GB".
    """
    before = words[index - 1] if index else ""
    if has_labels_first and (role := _role_of_label(before)):
        return role
    for word in words[end : end + 3]:
        if word in _OTHER_SIZE_WORDS:
            return "other"
        if word in _MEMORY_WORDS or _MEMORY_KIND.fullmatch(word):
            return "memory"
        if word in _STORAGE_KINDS:
            return "NVMe SSD" if "nvme" in words[end : end + 4] else _STORAGE_KINDS[word]
        if word in _STORAGE_WORDS:
            continue
        if word not in _SKIPPED_WORDS:
            break
    if any(word in _STORAGE_WORDS for word in words[end : end + 1]):
        return "HDD" if words[end] in {"hard", "disk"} else "storage"
    return "other" if _follows_graphics_card(words, index) else ""


def _role_of_label(word: str) -> str:
    """Return the role of a size after this word: "RAM 16GB"."""
    return "memory" if word in _MEMORY_WORDS or _MEMORY_KIND.fullmatch(word) else _STORAGE_KINDS.get(word, "")


def _follows_graphics_card(words: list[str], index: int) -> bool:
    """Whether the size belongs to a graphics card: "RTX 3060 12GB"."""
    return any(
        word in {"gtx", "rtx", "gt", "rx", "quadro", "radeon", "arc"} for word in words[max(0, index - 3) : index]
    ) or (index > 0 and re.fullmatch(r"(?:gtx|rtx|gt|rx)[0-9]{3,4}[a-z]*", words[index - 1]) is not None)


def _parse_graphics(text: str) -> str | None:
    """Return the name of a separate graphics card, not of graphics inside the CPU."""
    match = _GPU.search(text)
    if match is None:
        return None
    return " ".join(
        _GPU_NAMES.get(word, word.upper() if _ABBREVIATION.search(word) else word.title()) for word in match[0].split()
    )


def _parse_operating_system(text: str) -> str | None:
    for pattern, name in _OPERATING_SYSTEMS:
        if match := pattern.search(text):
            edition = match[2] or ""
            return " ".join(part for part in (name, match[1] or "", _EDITIONS.get(edition, edition.title())) if part)
    return None


def _parse_quantity(text: str) -> int:
    for pattern in _QUANTITIES:
        if match := pattern.search(text):
            return int(match[1])
    return 2 if _PAIR.search(text) else 1

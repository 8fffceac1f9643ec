"""What a title says is offered beside the CPU: memory, storage, graphics, operating system, and how many of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.titles.tokenizer import PrefilteredPattern, tokenize

_UNITS = {"gb": 1, "go": 1, "gig": 1, "tb": 1000, "to": 1000}
_SIZE = re.compile(r"([0-9]+(?:[.,][0-9]+)?)(gb|go|gig|tb|to)?\+?")
_TIMES = re.compile(r"([1-9][0-9]?)x([0-9]+)(gb|go|gig)")
# A title in which none of these finds anything tells of no size and no kind of memory.
_SIZES = (
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
# Not memory of the computer, whatever number stands before them.
_OTHER_SIZES = frozenset({"cache", "l2", "l3", "vram", "gddr5", "gddr6", "gddr6x", "gpu", "graphics", "video"})
_BETWEEN = frozenset({"of", "de", "x", "m2", "samsung", "crucial", "intel", "new", "fast", "internal"})
# GB above which a size that nothing explains is no memory, and up to which it can be.
_LARGEST_MEMORY = 64
_SMALLEST_STORAGE = 120

_GPU = PrefilteredPattern(
    ("gt", "rtx", "rx", "mx", "quadro", "firepro", "arc", "titan", "tesla", "radeon"),
    re.compile(
        r"\b(?:(geforce|quadro|radeon)\s*)?(?:\b(gtx|rtx|gts|gt|rx|mx|quadro|firepro|arc|titan|tesla)[\s-]*(pro\s+|wx\s*)?"
        r"([a-z]{0,2}[0-9]{2,4}[a-z]{0,2})((?:\s*(?:ti|super|xtx|xt|gre|max-q|ada))*)"
        r"|(?<=quadro )([kmpt]?[0-9]{3,4}m?)|(?<=radeon )((?:pro |vii|r[579] |hd )?[0-9]{3,4}[a-z]{0,2}))\b"
    ),
)
_GPU_SPELLINGS = {"geforce": "GeForce", "firepro": "FirePro", "ti": "Ti"}
_IS_CODE = re.compile(r"[0-9]|^[a-z]{1,3}$")
_OS = (
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
_QUANTITY = (
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

# For a `Gate`: a title without any of these is one of which `read_parts` reads nothing.
COMPONENT_WORDS = (
    "gb", "tb", "go", "to", "gig", "ssd", "hdd", "nvme", "ddr", "lpddr", "w", "linux", "ubuntu", "debian", "fedora",
    "mint", "lot", "set", "pack", "bundle", "qty", "quantity", "menge", "anzahl", "x", "pcs", "pieces", "stk", "units",
    "pair", "paar", "dual", "way",
)  # fmt: skip
COMPONENT_SUBSTRINGS = (*_GPU.words, "win", "chrome", "mac")


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive: GB, and SSD, NVMe SSD, HDD or eMMC; None where the title does not say."""

    size_gb: int
    kind: str | None


@dataclass(frozen=True, slots=True)
class Components:
    """What is offered beside the CPU as far as the title tells; `quantity` 2 and more for lots and pairs."""

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
    """Reads a title; what it does not say is None, empty, or 1."""
    text = " ".join(title[:1000].lower().replace("\u00d7", "x").split())
    memory, kind, storage = _sizes(*tokenize(text)) if _may_tell_of_sizes(text) else (None, None, [])
    return Components(memory, kind, tuple(storage), _graphics(text), _operating_system(text), _quantity(text))


def _may_tell_of_sizes(text: str) -> bool:
    """False for most titles, which then need not be taken apart. Only that makes ASCII of other letters."""
    return not text.isascii() or any(each.search(text) for each in _SIZES)


def _sizes(words: list[str], gaps: list[str]) -> tuple[int | None, str | None, list[Drive]]:
    memory: int | None = None
    kind = next(
        (word.upper() for word in words if _MEMORY_KIND.fullmatch(word) and word.startswith(("ddr", "lp"))), None
    )
    storage: list[Drive] = []
    unexplained: list[int] = []
    sizes, labels_first = 0, False
    for at in range(len(words)):
        size, end = _size(words, gaps, at)
        if not size:
            continue
        labels_first = labels_first or bool(at and not sizes and _role_before(words[at - 1]))
        sizes += 1
        role = _role(words, at, end, labels_first)
        if role == "memory":
            memory = memory or size
        elif role == "" and size < _SMALLEST_STORAGE:
            unexplained.append(size)
        elif role != "other":
            storage.append(Drive(size, role if role not in {"", "storage"} else None))
    if memory is None and len(set(unexplained)) == 1 and unexplained[0] <= _LARGEST_MEMORY:
        memory = unexplained[0]
    return memory, kind, storage


def _size(words: list[str], gaps: list[str], at: int) -> tuple[int, int]:
    """GB of the size that begins at this word, 0 for none, and the word after it."""
    word = words[at]
    if times := _TIMES.fullmatch(word):
        return int(times[1]) * int(times[2]), at + 1
    found = _SIZE.fullmatch(word) if word[0].isdigit() else None
    if found is None:
        return 0, at
    unit, end = found[2], at + 1
    if unit is None:
        after = words[end] if end < len(words) else ""
        if after in {"gb", "go", "gig", "tb", "to"}:
            unit, end = after, end + 1
        elif after in {"ssd", "hdd", "nvme"} and len(found[1]) >= 3 and found[1].isdigit():
            unit = "gb"
        elif end < len(words) and gaps[end] == "/" and (next_size := _SIZE.fullmatch(words[end])) and next_size[2]:
            unit = "gb" if int(next_size[1].split(",")[0].split(".")[0] or 0) else None  # "16/512GB"
        if unit is None:
            return 0, at
    size = round(float(found[1].replace(",", ".")) * _UNITS[unit]) if found[1].count(".") < 2 else 0
    if at >= 2 and words[at - 1] == "x" and words[at - 2].isdigit() and len(words[at - 2]) == 1:
        size *= int(words[at - 2])
    return size, end


def _role(words: list[str], at: int, end: int, labels_first: bool) -> str:
    """What a size is of: "memory", "storage", a kind of storage, "other", or "" when nothing tells.

    `labels_first`: the title says "RAM 16GB SSD 512GB".
    """
    before = words[at - 1] if at else ""
    if labels_first and (told := _role_before(before)):
        return told
    for word in words[end : end + 3]:
        if word in _OTHER_SIZES:
            return "other"
        if word in _MEMORY_WORDS or _MEMORY_KIND.fullmatch(word):
            return "memory"
        if word in _STORAGE_KINDS:
            return "NVMe SSD" if "nvme" in words[end : end + 4] else _STORAGE_KINDS[word]
        if word in _STORAGE_WORDS:
            continue
        if word not in _BETWEEN:
            break
    if any(word in _STORAGE_WORDS for word in words[end : end + 1]):
        return "HDD" if words[end] in {"hard", "disk"} else "storage"
    return "other" if _is_of_graphics(words, at) else ""


def _role_before(word: str) -> str:
    """What a size is of, that stands behind this word: "RAM 16GB"."""
    return "memory" if word in _MEMORY_WORDS or _MEMORY_KIND.fullmatch(word) else _STORAGE_KINDS.get(word, "")


def _is_of_graphics(words: list[str], at: int) -> bool:
    """Whether the size follows a graphics card: "RTX 3060 12GB"."""
    return any(
        word in {"gtx", "rtx", "gt", "rx", "quadro", "radeon", "arc"} for word in words[max(0, at - 3) : at]
    ) or (at > 0 and re.fullmatch(r"(?:gtx|rtx|gt|rx)[0-9]{3,4}[a-z]*", words[at - 1]) is not None)


def _graphics(text: str) -> str | None:
    """A graphics card of its own; what is in the CPU is none."""
    found = _GPU.search(text)
    if found is None:
        return None
    return " ".join(
        _GPU_SPELLINGS.get(word, word.upper() if _IS_CODE.search(word) else word.title()) for word in found[0].split()
    )


def _operating_system(text: str) -> str | None:
    for pattern, name in _OS:
        if found := pattern.search(text):
            edition = found[2] or ""
            return " ".join(part for part in (name, found[1] or "", _EDITIONS.get(edition, edition.title())) if part)
    return None


def _quantity(text: str) -> int:
    for pattern in _QUANTITY:
        if found := pattern.search(text):
            return int(found[1])
    return 2 if _PAIR.search(text) else 1

"""Words of titles and CPU names: vendors, product lines, and the words between a line and its model number.

All words are as the tokenizer returns them: lower case, without accents.
"""

from __future__ import annotations

VENDOR_NAMES = {"intel": "Intel", "amd": "AMD", "apple": "Apple", "qualcomm": "Qualcomm", "mediatek": "MediaTek"}
VENDORS = frozenset(VENDOR_NAMES)

_TIERS = ("3", "5", "7", "9")
CORE_I = frozenset(f"i{n}" for n in _TIERS)
RYZEN_SHORT_TIERS = {f"r{n}": n for n in _TIERS}
XEON_E_SERIES = frozenset({"e3", "e5", "e7"})
METALS = frozenset({"gold", "silver", "bronze", "platinum"})

# The first word of each product line -> its vendor. A small number is a tier ("Ryzen 5") only after such a word.
FAMILY_VENDORS = {
    **dict.fromkeys(
        (*CORE_I, "core", "core2", "ultra", "m3", "m5", "m7", "xeon", *XEON_E_SERIES, "pentium", "celeron", "atom"),
        "intel",
    ),
    **dict.fromkeys((*(f"w{n}" for n in _TIERS),), "intel"),
    **dict.fromkeys(
        (
            "ryzen", "threadripper", "epyc", "athlon", "phenom", "sempron", "opteron", "turion", "fx",
            *RYZEN_SHORT_TIERS, "a4", "a6", "a8", "a9", "a10", "a12", "e1", "e2",
        ),
        "amd",
    ),
}  # fmt: skip
# Words after the first word of a line that distinguish lines: "Ryzen 5 PRO", "Core 2 Duo".
LINE_QUALIFIERS = frozenset({
    *_TIERS, "2", "4", "64", *METALS, "max", "max+", "phi", "pro", "ai", "h", "hx", "hs", "embedded", "micro", "duo",
    "solo", "extreme", "edition", "ii", "iii", "xp", "neo", "ultra", "x2", "x3", "x4", "x5", "x6", "x7", "d", "m", "k",
    "dual", "quad",
})  # fmt: skip
LINE_WORDS = frozenset(FAMILY_VENDORS) | LINE_QUALIFIERS

# Model numbers of the catalogue for Core 2 Extreme CPUs with four cores, which shops sell as "QX" and the number.
CORE_2_QX_MODELS = frozenset({"q6700", "q6800", "q6850", "q9200", "q9300", "x9650", "x9750", "x9770", "x9775"})
# Suffixes of Opteron model numbers. In other titles they are ordinary words.
OPTERON_SUFFIXES = frozenset({"he", "se", "ee"})

# Compound word -> its parts.
COMPOUND_WORDS = {
    **{f"ryzen{n}": ("ryzen", n) for n in _TIERS},
    **{f"corei{n}": ("core", f"i{n}") for n in _TIERS},
    **{f"ultra{n}": ("ultra", n) for n in _TIERS},
    **{f"athlon{x}": ("athlon", x) for x in ("64", "ii", "x2", "x4", "xp")},
    **{f"phenom{x}": ("phenom", x) for x in ("ii",)},
    **{f"turion{x}": ("turion", x) for x in ("64", "ii", "x2")},
    "core2duo": ("core2", "duo"),
    "core2quad": ("core2", "quad"),
    "c2d": ("core2", "duo"),
    "c2q": ("core2", "quad"),
    "dualcore": ("dual", "core"),
    "quadcore": ("quad", "core"),
    "xeongold": ("xeon", "gold"),
    "xeonsilver": ("xeon", "silver"),
}

CORE_COUNT_WORDS = frozenset(
    {"single", "dual", "triple", "quad", "six", "hexa", "eight", "octa", "deca", "twelve", "sixteen"}
)
# Words without meaning for the match that may stand between a line and its model number.
FILLER_WORDS = CORE_COUNT_WORDS | {
    "cpu", "cpus", "processor", "processors", "prozessor", "prozessoren", "processeur", "procesador", "processore",
    "desktop", "mobile", "laptop", "server", "apu", "soc", "tm", "r", "gen", "generation", "generación", "series",
    "serie", "model", "modell", "vpro", "chip", "boxed", "tray", "oem", "cores", "threads", "socket", "sockel",
    "unlocked", "black", "the", "nr", "no", "scalable",
    # code names of microarchitectures
    "alder", "raptor", "arrow", "meteor", "lunar", "comet", "coffee", "cascade", "kaby", "skylake", "lake", "haswell",
    "broadwell", "ivy", "sandy", "bridge", "rocket", "tiger", "jasper", "gemini", "elkhart", "twin", "n", "refresh",
    "vermeer", "cezanne", "matisse", "renoir", "zen", "zen2", "zen3", "zen4", "zen5", "bulldozer", "vishera",
    "sapphire", "rapids", "milan", "rome", "genoa", "kentsfield", "yorkfield", "conroe", "wolfdale",
}  # fmt: skip
# Words in names of the catalogue that do not distinguish CPUs.
IGNORED_NAME_WORDS = (FILLER_WORDS | {"core", "cores", "with", "radeon", "vega", "gfx", "graphics", "r5", "r7"}) - {
    "mobile"
}

# Words before a model number that mean that this CPU is not for sale; also in German, French and Spanish.
NEGATION_WORDS = frozenset({"not", "no", "non", "kein", "keine", "nicht", "without", "ohne", "sans", "sin", "except"})
# Words before a model number that mean that the title compares or recommends something.
COMPARISON_WORDS = frozenset({
    "compatible", "compatibility", "kompatibel", "for", "fur", "pour", "para", "fits", "fit", "support", "supports",
    "supporting", "supported", "than", "like", "similar", "equivalent", "comparable", "replaces", "replace",
    "replacing", "beats", "upto", "upgradable", "upgradeable", "aufrustbar", "passend", "passt", "unterstutzt",
})  # fmt: skip
# Words that may stand between these words and the model number.
LINKING_WORDS = frozenset({"with", "to", "the", "mit", "zu", "as", "a", "an", "new", "up", "bis", "zum", "all", "any"})
# Words between two model numbers of one product line.
ALTERNATIVE_WORDS = frozenset({"or", "and", "vs", "versus", "oder", "und", "ou", "et", "o", "y", "x"})
# Phrases that mean that the title does not offer a CPU, or only one that was never sold in shops.
NO_CPU_PHRASES = (
    "no cpu", "no processor", "without cpu", "without processor", "without a cpu", "without a processor", "ohne cpu",
    "ohne prozessor", "sans processeur", "sin procesador", "cpu not included", "processor not included", "box only",
    "empty box", "only box", "only the box", "leerkarton", "nur verpackung", "keychain", "key chain", "sticker",
    "cooler only", "heatsink only", "water block", "waterblock", "engineering sample", "es cpu", "qs cpu",
    "contact frame", "no cpu or ram", "case only", "motherboard only", "board only", "no cpu ram",
)  # fmt: skip
NO_CPU_FIRST_WORDS = frozenset(phrase.split()[0] for phrase in NO_CPU_PHRASES)

GPU_WORDS = frozenset({
    "gtx", "rtx", "gt", "gts", "rx", "geforce", "radeon", "quadro", "firepro", "firegl", "nvs", "tesla", "titan", "arc",
    "vega", "hd", "uhd", "iris", "nvidia", "wx", "mx", "graphics", "gpu", "vga",
})  # fmt: skip
# Words between the name of a graphics card and its model number: "Radeon R9 ...".
GPU_LINK_WORDS = frozenset({"r5", "r7", "r9", "pro", "xe", "vii", "super", "ti", "series", "rx", "hd"})
# Units after a number that is not a model number.
UNIT_WORDS = frozenset({
    "gb", "tb", "mb", "go", "gig", "gbs", "ghz", "mhz", "mt", "hz", "w", "watt", "watts", "rpm", "mm", "cm", "inch",
    "zoll", "wh", "mah", "volt", "eur", "euro", "euros", "usd", "gbp", "chf", "dollar", "dollars", "nits", "pcs",
    "pieces", "stuck", "times", "ml", "kg", "points", "cinebench", "passmark", "dpi", "fps",
})  # fmt: skip
# Words before a number that is not a model number: "LGA 1151", "DDR4 3200".
NUMBER_LABELS = frozenset({
    "lga", "socket", "sockel", "ddr", "ddr2", "ddr3", "ddr3l", "ddr4", "ddr5", "lpddr4", "lpddr4x", "lpddr5", "lpddr5x",
    "pc2", "pc3", "pc3l", "pc4", "pc5", "cl", "pn", "sku", "part", "windows", "win", "office", "am", "year", "jahr",
    "score", "benchmark", "bios",
})  # fmt: skip
COMPUTER_MAKERS = frozenset({
    "dell", "hp", "lenovo", "acer", "asus", "msi", "fujitsu", "toshiba", "samsung", "gigabyte", "supermicro", "medion",
    "siemens", "panasonic", "sony", "lg", "huawei", "asrock", "ibm", "wortmann", "terra", "beelink", "minisforum",
})  # fmt: skip
COMPUTER_SERIES = frozenset({
    "latitude", "optiplex", "precision", "inspiron", "vostro", "xps", "alienware", "elitedesk", "prodesk", "elitebook",
    "probook", "compaq", "pavilion", "omen", "spectre", "envy", "zbook", "thinkpad", "thinkcentre", "thinkstation",
    "ideapad", "ideacentre", "yoga", "legion", "poweredge", "proliant", "aspire", "veriton", "travelmate", "nitro",
    "predator", "nuc", "zenbook", "vivobook", "celsius", "esprimo", "lifebook", "satellite", "tecra", "portege",
    "macbook", "imac", "surface", "toughbook", "primergy", "primequest", "wyse", "futro", "chromebox", "chromebook",
})  # fmt: skip

# Suffixes that, as a separate word, may also be an ordinary word of some language.
AMBIGUOUS_SUFFIXES = frozenset({"a", "e", "y", "o", "u", "m", "s", "c", "d", "l", "it", "me", "le", "te", "re"})
# Suffixes that mean another CPU. A separate suffix also counts: "8500 T" is not an 8500.
CHIP_SUFFIXES = frozenset({
    "k", "f", "kf", "ks", "ka", "t", "h", "hx", "hk", "hs", "hq", "u", "p", "x", "xt", "x3d", "g", "ge", "gt", "s",
    "xe", "r", "e", "v", "qm", "mq", "l", "m", "w", "z", "q", "wx", "hf",
})  # fmt: skip
VERSION_WORDS = frozenset({"version", "ver", "rev"})
# Words after a complete name that mean another CPU: "Apple A18 Pro" is not an A18.
NAME_VARIANTS = frozenset({"pro", "max", "ultra", "plus", "lite", "gen", "ultimate", "turbo"})
# A model number with one of these suffixes counts without its line ("5800X3D", "12700K"), because no graphics card or
# notebook has such a number.
CPU_ONLY_SUFFIXES = frozenset({
    "k", "kf", "ks", "f", "t", "x", "x3d", "g", "ge", "u", "h", "hs", "hx", "hk", "hq", "xe", "wx",
})  # fmt: skip

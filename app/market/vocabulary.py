"""The words that files use for conditions and statuses, and the currencies there are."""

from __future__ import annotations

from app.db.tables import Condition, ListingStatus

# In lower case -> the condition that is meant.
CONDITIONS: dict[str, str] = {
    **{str(condition): str(condition) for condition in Condition},
    **dict.fromkeys(("brand new", "sealed"), Condition.NEW.value),
    **dict.fromkeys(("open box", "open-box", "like new", "like-new", "like_new"), Condition.OPEN_BOX.value),
    **dict.fromkeys(
        ("refurb", "renewed", "certified refurbished", "seller refurbished", "manufacturer refurbished"),
        Condition.REFURBISHED.value,
    ),
    **dict.fromkeys(
        ("pre-owned", "preowned", "pre owned", "very good", "good", "acceptable", "used - good"), Condition.USED.value
    ),
    **dict.fromkeys(
        ("for parts", "for-parts", "not working", "for parts or not working", "for parts / not working", "broken"),
        Condition.FOR_PARTS.value,
    ),
}

STATUSES: dict[str, str] = {
    **{str(status): str(status) for status in ListingStatus},
    **dict.fromkeys(
        ("inactive", "expired", "removed", "archived", "out_of_stock", "out of stock"), ListingStatus.ENDED.value
    ),
}

# ISO 4217, the active codes of money (not of metals, funds and tests), with spaces between.
CURRENCIES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)

"""Names of the metadata that a recipe can list, as exiftool prints them.

A name stands for everything that exiftool prints by it: tags of EXIF, properties of XMP and
datasets of IPTC.
"""

from __future__ import annotations

from collections.abc import Container

#: Tags of the directories of EXIF (EXIF 3.0, 4.6). Those that describe the pixels are left out.
MAIN = {
    "ImageDescription": 0x010E, "Make": 0x010F, "Model": 0x0110, "Software": 0x0131,
    "ModifyDate": 0x0132, "Artist": 0x013B, "HostComputer": 0x013C, "Rating": 0x4746,
    "Copyright": 0x8298, "XPTitle": 0x9C9B, "XPComment": 0x9C9C, "XPAuthor": 0x9C9D,
    "XPKeywords": 0x9C9E, "XPSubject": 0x9C9F,
}  # fmt: skip
CAMERA = {
    "Acceleration": 0x9404, "AmbientTemperature": 0x9400, "ApertureValue": 0x9202,
    "BrightnessValue": 0x9203, "CameraElevationAngle": 0x9405, "CompositeImage": 0xA460,
    "CompositeImageCount": 0xA461, "CompositeImageExposureTimes": 0xA462, "Contrast": 0xA408,
    "CreateDate": 0x9004, "CustomRendered": 0xA401, "DateTimeOriginal": 0x9003,
    "DeviceSettingDescription": 0xA40B, "DigitalZoomRatio": 0xA404,
    "ExposureCompensation": 0x9204, "ExposureIndex": 0xA215, "ExposureMode": 0xA402,
    "ExposureProgram": 0x8822, "ExposureTime": 0x829A, "FNumber": 0x829D, "FileSource": 0xA300,
    "Flash": 0x9209, "FlashEnergy": 0xA20B, "FocalLength": 0x920A,
    "FocalLengthIn35mmFormat": 0xA405, "GainControl": 0xA407, "Gamma": 0xA500, "Humidity": 0x9401,
    "ISO": 0x8827, "ISOSpeed": 0x8833, "ISOSpeedLatitudeyyy": 0x8834,
    "ISOSpeedLatitudezzz": 0x8835, "ImageNumber": 0x9211, "ImageUniqueID": 0xA420,
    "LensInfo": 0xA432, "LensMake": 0xA433, "LensModel": 0xA434, "LensSerialNumber": 0xA435,
    "LightSource": 0x9208, "MaxApertureValue": 0x9205, "MeteringMode": 0x9207,
    "OffsetTime": 0x9010, "OffsetTimeDigitized": 0x9012, "OffsetTimeOriginal": 0x9011,
    "Opto-ElectricConvFactor": 0x8828, "OwnerName": 0xA430, "Pressure": 0x9402,
    "RecommendedExposureIndex": 0x8832, "Saturation": 0xA409, "SceneCaptureType": 0xA406,
    "SceneType": 0xA301, "SelfTimerMode": 0x882B, "SensingMethod": 0xA217,
    "SensitivityType": 0x8830, "SerialNumber": 0xA431, "Sharpness": 0xA40A,
    "ShutterSpeedValue": 0x9201, "SpectralSensitivity": 0x8824,
    "StandardOutputSensitivity": 0x8831, "SubSecTime": 0x9290, "SubSecTimeDigitized": 0x9292,
    "SubSecTimeOriginal": 0x9291, "SubjectDistance": 0x9206, "SubjectDistanceRange": 0xA40C,
    "TimeZoneOffset": 0x882A, "UserComment": 0x9286, "WaterDepth": 0x9403, "WhiteBalance": 0xA403,
}  # fmt: skip
GPS = {
    "GPSLatitudeRef": 1, "GPSLatitude": 2, "GPSLongitudeRef": 3, "GPSLongitude": 4,
    "GPSAltitudeRef": 5, "GPSAltitude": 6, "GPSTimeStamp": 7, "GPSSatellites": 8, "GPSStatus": 9,
    "GPSMeasureMode": 10, "GPSDOP": 11, "GPSSpeedRef": 12, "GPSSpeed": 13, "GPSTrackRef": 14,
    "GPSTrack": 15, "GPSImgDirectionRef": 16, "GPSImgDirection": 17, "GPSMapDatum": 18,
    "GPSDestLatitudeRef": 19, "GPSDestLatitude": 20, "GPSDestLongitudeRef": 21,
    "GPSDestLongitude": 22, "GPSDestBearingRef": 23, "GPSDestBearing": 24,
    "GPSDestDistanceRef": 25, "GPSDestDistance": 26, "GPSProcessingMethod": 27,
    "GPSAreaInformation": 28, "GPSDateStamp": 29, "GPSDifferential": 30,
    "GPSHPositioningError": 31,
}  # fmt: skip

#: Datasets of the application record of IPTC (IIM 4.2, chapter 6).
IPTC = {
    "ObjectTypeReference": 3, "ObjectAttributeReference": 4, "ObjectName": 5, "EditStatus": 7,
    "EditorialUpdate": 8, "Urgency": 10, "SubjectReference": 12, "Category": 15,
    "SupplementalCategories": 20, "FixtureIdentifier": 22, "Keywords": 25,
    "ContentLocationCode": 26, "ContentLocationName": 27, "ReleaseDate": 30, "ReleaseTime": 35,
    "ExpirationDate": 37, "ExpirationTime": 38, "SpecialInstructions": 40, "ActionAdvised": 42,
    "ReferenceService": 45, "ReferenceDate": 47, "ReferenceNumber": 50, "DateCreated": 55,
    "TimeCreated": 60, "DigitalCreationDate": 62, "DigitalCreationTime": 63,
    "OriginatingProgram": 65, "ProgramVersion": 70, "ObjectCycle": 75, "By-line": 80,
    "By-lineTitle": 85, "City": 90, "Sub-location": 92, "Province-State": 95,
    "Country-PrimaryLocationCode": 100, "Country-PrimaryLocationName": 101,
    "OriginalTransmissionReference": 103, "Headline": 105, "Credit": 110, "Source": 115,
    "CopyrightNotice": 116, "Contact": 118, "Caption-Abstract": 120, "Writer-Editor": 122,
    "LanguageIdentifier": 135,
}  # fmt: skip

_ADOBE = "http://ns.adobe.com/"
_EXIF = f"{_ADOBE}exif/1.0/"
_EXIF_EX = "http://cipa.jp/exif/1.0/"
_CREATIVE_COMMONS = "http://creativecommons.org/ns#"

#: Namespaces of XMP whose properties can be listed.
_NAMESPACES = frozenset((
    "http://purl.org/dc/elements/1.1/", f"{_ADOBE}xap/1.0/", f"{_ADOBE}xap/1.0/rights/",
    f"{_ADOBE}photoshop/1.0/", f"{_ADOBE}tiff/1.0/", _EXIF, f"{_EXIF}aux/", _EXIF_EX,
    f"{_ADOBE}lightroom/1.0/", "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", _CREATIVE_COMMONS,
))  # fmt: skip

#: Properties that exiftool prints by another name than their own with a capital letter.
_RENAMED = {
    (_EXIF, "ExposureBiasValue"): "ExposureCompensation",
    (_EXIF, "FocalLengthIn35mmFilm"): "FocalLengthIn35mmFormat",
    (_EXIF, "GPSTimeStamp"): "GPSDateTime",
    (_EXIF, "ISOSpeedRatings"): "ISO",
    (_EXIF, "OECF"): "Opto-ElectricConvFactor",
    (_EXIF_EX, "BodySerialNumber"): "SerialNumber",
    (_EXIF_EX, "CameraOwnerName"): "OwnerName",
    (_EXIF_EX, "LensSpecification"): "LensInfo",
    (_EXIF_EX, "Temperature"): "AmbientTemperature",
}

#: Names of properties that have no tag or dataset of the same name.
_ONLY_IN_XMP = frozenset((
    "Contributor", "Coverage", "Creator", "Date", "Description", "Identifier", "Language",
    "Publisher", "Relation", "Rights", "Subject", "Title", "Type", "CreatorTool", "Label",
    "Nickname", "MetadataDate", "BaseURL", "Marked", "Owner", "UsageTerms", "WebStatement",
    "Certificate", "AuthorsPosition", "CaptionWriter", "Country", "Instructions", "State",
    "TransmissionReference", "AltTextAccessibility", "CountryCode", "CreatorContactInfo",
    "ExtDescrAccessibility", "IntellectualGenre", "Location", "Scene", "SubjectCode", "Event",
    "PersonInImage", "LocationCreated", "LocationShown", "DigitalSourceType",
    "HierarchicalSubject", "Lens", "LensID", "Firmware", "License", "AttributionName",
    "AttributionURL", "MorePermissions", "DateTime", "DateTimeDigitized", "GPSDateTime",
))  # fmt: skip

#: All names that a list may have.
NAMES = tuple(sorted({*MAIN, *CAMERA, *GPS, *IPTC, *_ONLY_IN_XMP}))


def with_directions(names: Container[str]) -> frozenset[str]:
    """Return the names of a list, and those of the tags that a place is wrong without.

    Examples
    --------
    >>> sorted(with_directions(["Artist", "GPSLatitude"]))
    ['Artist', 'GPSLatitude', 'GPSLatitudeRef']
    """
    return frozenset(name for name in NAMES if name in names or name.removesuffix("Ref") in names)


def name_of_property(namespace: str, name: str) -> str | None:
    """Return the name of a property of XMP; None if it cannot be listed.

    Examples
    --------
    >>> name_of_property("http://purl.org/dc/elements/1.1/", "rights")
    'Rights'
    """
    if namespace not in _NAMESPACES:
        return None
    return _RENAMED.get((namespace, name), name[:1].upper() + name[1:])

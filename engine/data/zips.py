"""What a damaged or hostile zip raises while it is read: one list, for every archive of a data set or a run."""

import lzma
import struct
import zipfile
import zlib

# `zipfile` has one error of its own, but lets through those of the decompressors and of the headers' numbers and names,
# and RuntimeError for encrypted members; of its kind is what it raises for a version or compression that it lacks.
DAMAGED_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    OverflowError,
    UnicodeDecodeError,
)

"""Write the SequenceFiles of this folder by Hadoop: `python make.py FOLDER`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from sandbox.lib.spark.session import context

IO = "org.apache.hadoop.io."
FORMAT = "org.apache.hadoop.mapreduce.lib.output.SequenceFileOutputFormat"
BYTES = [(i, bytearray([i % 256, 1, 2, 3])) for i in range(300)]
FRACTIONS = [(2**40 + i, i / 4) for i in range(300)]
TEXTS = [(f"name {i}", "long text " * (i % 5) + str(i)) for i in range(300)]
FILES = {
    "plain": (BYTES, "IntWritable", "BytesWritable", None, ""),
    "record_deflate": (FRACTIONS, "LongWritable", "DoubleWritable", "DefaultCodec", "RECORD"),
    "block_deflate": (TEXTS, "Text", "Text", "DefaultCodec", "BLOCK"),
    "block_gzip": (BYTES, "IntWritable", "BytesWritable", "GzipCodec", "BLOCK"),
    "block_bzip2": (BYTES, "IntWritable", "BytesWritable", "BZip2Codec", "BLOCK"),
}


def main(folder: Path) -> None:
    """Write all files."""
    spark = context.spark_session("local[1]")
    for name, (pairs, key, value, codec, kind) in FILES.items():
        made = folder / name
        prefix = "mapreduce.output.fileoutputformat.compress"
        conf = {prefix: "false"}
        if codec is not None:
            conf = {
                prefix: "true",
                f"{prefix}.type": kind,
                f"{prefix}.codec": f"{IO}compress.{codec}",
            }
        spark.sparkContext.parallelize(pairs, 1).saveAsNewAPIHadoopFile(
            str(made), FORMAT, keyClass=IO + key, valueClass=IO + value, conf=conf
        )
        shutil.copy(made / "part-r-00000", folder / f"{name}.seq")
        shutil.rmtree(made)
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())

"""A process of its own that loads a pipeline: `load_process.py PIPELINE ROWS`."""

from __future__ import annotations

import json
import sys


def main() -> None:
    from pyspark.ml import PipelineModel

    from sandbox.lib.spark import spark_session

    spark = spark_session("local[2]")
    model = PipelineModel.load(sys.argv[1])
    rows = model.transform(spark.read.parquet(sys.argv[2])).select("probability").collect()
    last = model.stages[-1]
    print(json.dumps({"probability": [list(r[0]) for r in rows], "labels": last.getLabels()}))
    spark.stop()


if __name__ == "__main__":
    main()

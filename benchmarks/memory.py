"""A Llama of 1.1 billion random weights, pruned by Wanda: time and peak memory of the process.

    python benchmarks/memory.py [FOLDER]

The sizes are TinyLlama's; 16 samples of 128 tokens, bfloat16 on the CPU. The process may not use
more than 8 GB. What it writes stays in FOLDER, if one is given.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 8e9
SIZES = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
TEXT = Path(__file__).parent.parent / "docs" / "calibration.md"


def main(folder: Path) -> None:
    model = folder / "llama-1b"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps(SIZES))
    command = [
        *("harness", "prune", "--model", str(model), "--init", "random", "--dtype", "bfloat16"),
        *("--device", "cpu", "--pruner", "wanda", "--sparsity", "0.5"),
        *("--calibration", f"text={TEXT} window=128 samples=16"),
        *("--save", str(folder / "pruned"), "--results", str(folder / "results")),
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    [path] = (folder / "results").rglob("prune-*.json")
    record = json.loads(path.read_text())
    weights = sum(file.stat().st_size for file in (folder / "pruned").glob("model*.safetensors"))
    print(f"weights {weights / 1e9:.2f} GB, peak {peak / 1e9:.2f} GB, {seconds:.0f} s in all")
    print(f"stages: {record['circumstances']['seconds']}")
    assert peak <= LIMIT, f"{peak / 1e9:.2f} GB is more than {LIMIT / 1e9:g} GB"


if len(sys.argv) > 1:
    main(Path(sys.argv[1]))
else:
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))

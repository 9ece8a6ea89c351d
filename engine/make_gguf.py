"""Writes a llama model with seeded random weights as GGUF.

The text it generates is garbage, bytes that are no UTF-8 included. What is real is everything around
it: prefill, decoding, slots, the prompt cache, the protocol. Equal arguments give equal bytes.

    python make_gguf.py OUT.gguf [--layers 4] [--width 256] [--seed 1]
"""

import argparse
import os

import gguf
import numpy as np

HEAD_WIDTH = 64
CONTEXT = 8192


def vocabulary():
    """Three specials, every byte, every printable character: no text that cannot be tokenised."""
    kind = gguf.TokenType
    pieces = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    pieces += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    # The space is written U+2581, as SentencePiece does.
    pieces += [(chr(c) if c != 0x20 else "\u2581", kind.NORMAL) for c in range(0x20, 0x7F)]
    return pieces


def write(path, layers, width, seed):
    if width % HEAD_WIDTH:
        raise SystemExit(f"--width {width} is not a multiple of {HEAD_WIDTH}")
    random = np.random.default_rng(seed)
    heads = width // HEAD_WIDTH
    feed_forward = 2 * width
    pieces = vocabulary()

    out = gguf.GGUFWriter(path, "llama")
    out.add_name(f"random-{layers}x{width}-seed{seed}")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(width)
    out.add_block_count(layers)
    out.add_feed_forward_length(feed_forward)
    out.add_head_count(heads)
    out.add_head_count_kv(heads)
    out.add_rope_dimension_count(HEAD_WIDTH)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(pieces))
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    out.add_tokenizer_model("llama")
    out.add_token_list([text.encode() for text, _ in pieces])
    out.add_token_scores([0.0 if kind != gguf.TokenType.BYTE else -1.0 for _, kind in pieces])
    out.add_token_types([int(kind) for _, kind in pieces])
    out.add_unk_token_id(0)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_add_bos_token(True)
    out.add_add_space_prefix(False)

    def weights(name, *shape):
        values = random.standard_normal(shape, dtype=np.float32) / np.sqrt(shape[-1])
        out.add_tensor(name, values.astype(np.float16))

    def ones(name, length):
        out.add_tensor(name, np.ones(length, dtype=np.float32))

    weights("token_embd.weight", len(pieces), width)
    for layer in range(layers):
        block = f"blk.{layer}"
        ones(f"{block}.attn_norm.weight", width)
        for part in ("q", "k", "v", "output"):
            weights(f"{block}.attn_{part}.weight", width, width)
        ones(f"{block}.ffn_norm.weight", width)
        weights(f"{block}.ffn_gate.weight", feed_forward, width)
        weights(f"{block}.ffn_up.weight", feed_forward, width)
        weights(f"{block}.ffn_down.weight", width, feed_forward)
    ones("output_norm.weight", width)
    weights("output.weight", len(pieces), width)

    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    # Under another name first, so that no half of a file is ever taken for a model.
    part = f"{args.out}.part"
    write(part, args.layers, args.width, args.seed)
    os.replace(part, args.out)


if __name__ == "__main__":
    main()

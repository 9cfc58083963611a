#!/usr/bin/env python3
"""Train the stand-in model: a few minutes on two cores, from text that corpus.py writes.

    python tools/standin/train.py [--steps N] [--folder DIR]

Needs torch, tokenizers, safetensors and gguf. Writes assets/standin/tashika-standin.gguf (weights q8_0, tokenizer
and chat template inside) and assets/standin/training.json (the loss curve). --folder also writes the model as a
Hugging Face folder. The recipe is seeded; another machine or torch may differ in the last bits, and so in text.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as fn
from torch import nn

import corpus
import export

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {"vocab": 2048, "hidden": 256, "inner": 512, "layers": 3, "heads": 4, "kv_heads": 2, "head_dim": 64,
          "eps": 1e-5, "theta": 10000.0, "context": 1024}
LENGTH, ROWS = 256, 8


def make_tokenizer(conversations):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tok = Tokenizer(models.BPE())
    # StarCoder's splits: digits one by one, then GPT-2's words. llama.cpp knows them by name.
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=CONFIG["vocab"], special_tokens=export.SPECIALS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator((text for turns in conversations for _, text in turns), trainer)
    return tok


def encode(tok, turns):
    """Ids of one conversation, and which of them are to be learned: what the model itself would say."""
    ids, learn = [], []

    def add(text, wanted):
        new = tok.encode(text, add_special_tokens=False).ids
        ids.extend(new)
        learn.extend([wanted] * len(new))

    for role, text in turns:
        if role == "text":
            add(text + "<|endoftext|>", True)
            continue
        add(f"<|im_start|>{role}\n", False)
        add(f"{text}<|im_end|>", role == "assistant")
        add("\n", False)
    return ids, learn


def pack(encoded):
    """Rows of LENGTH + 1 tokens holding whole conversations, with the number of its conversation for each token."""
    rows, row = [], ([], [], [])
    for number, (ids, learn) in enumerate(encoded):
        if len(ids) > LENGTH + 1:
            continue
        if len(row[0]) + len(ids) > LENGTH + 1:
            rows.append(row)
            row = ([], [], [])
        row[0].extend(ids)
        row[1].extend(learn)
        row[2].extend([number + 1] * len(ids))
    out = torch.zeros(3, len(rows), LENGTH + 1, dtype=torch.int64)
    for i, parts in enumerate(rows):
        for j, part in enumerate(parts):
            out[j, i, : len(part)] = torch.tensor(part, dtype=torch.int64)
    return out


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
        self.input_layernorm = nn.RMSNorm(c["hidden"], c["eps"])
        self.q_proj = nn.Linear(c["hidden"], q, bias=False)
        self.k_proj = nn.Linear(c["hidden"], kv, bias=False)
        self.v_proj = nn.Linear(c["hidden"], kv, bias=False)
        self.o_proj = nn.Linear(q, c["hidden"], bias=False)
        self.post_attention_layernorm = nn.RMSNorm(c["hidden"], c["eps"])
        self.gate_proj = nn.Linear(c["hidden"], c["inner"], bias=False)
        self.up_proj = nn.Linear(c["hidden"], c["inner"], bias=False)
        self.down_proj = nn.Linear(c["inner"], c["hidden"], bias=False)
        self.c = c

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        h = self.input_layernorm(x)

        def heads(y, n):
            return y.view(b, t, n, self.c["head_dim"]).transpose(1, 2)

        def turn(y):
            first, second = y.chunk(2, dim=-1)
            return y * cos + torch.cat((-second, first), dim=-1) * sin

        q = turn(heads(self.q_proj(h), self.c["heads"]))
        k = turn(heads(self.k_proj(h), self.c["kv_heads"]))
        v = heads(self.v_proj(h), self.c["kv_heads"])
        groups = self.c["heads"] // self.c["kv_heads"]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        a = fn.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.o_proj(a.transpose(1, 2).reshape(b, t, -1))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(fn.silu(self.gate_proj(h)) * self.up_proj(h))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c["vocab"], c["hidden"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.norm = nn.RMSNorm(c["hidden"], c["eps"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                small = "o_proj" in name or "down_proj" in name
                nn.init.normal_(p, std=0.02 if "embed" in name else (0.5 if small else 1.0) / math.sqrt(p.shape[1]))

    def forward(self, ids, mask, wanted):
        t = ids.shape[1]
        inverse = self.c["theta"] ** (-torch.arange(0, self.c["head_dim"], 2) / self.c["head_dim"])
        angles = torch.outer(torch.arange(t).float(), inverse).repeat(1, 2)
        x = self.embed_tokens(ids)
        cos, sin = angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return fn.linear(self.norm(x[wanted]), self.embed_tokens.weight)


def batch_loss(model, rows):
    """Summed over all learned tokens of the batch, divided once by their count."""
    ids, learn, docs = rows
    x, y, wanted = ids[:, :-1], ids[:, 1:], learn[:, 1:].bool() & (docs[:, 1:] == docs[:, :-1])
    same = docs[:, :-1, None] == docs[:, None, :-1]
    mask = (same & torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril())[:, None]
    logits = model(x, mask, wanted)
    return fn.cross_entropy(logits, y[wanted], reduction="sum") / wanted.sum()


def train(model, data, held_out, steps):
    decay = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                  betas=(0.9, 0.95))
    order = torch.Generator().manual_seed(2)
    curve, start, running = [], time.time(), []
    rows = data.shape[1]
    permutation = torch.randperm(rows, generator=order)
    at = 0
    for step in range(steps):
        if at + ROWS > rows:
            permutation, at = torch.randperm(rows, generator=order), 0
        batch = data[:, permutation[at : at + ROWS]]
        at += ROWS
        rate = 3e-3 * min(1.0, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = batch_loss(model, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == steps:
            with torch.no_grad():
                validation = batch_loss(model, held_out).item()
            mean = sum(running) / len(running)
            curve.append({"step": step + 1, "train": round(mean, 4), "held_out": round(validation, 4)})
            running = []
            print(f"step {step + 1:5} train {mean:.4f} held out {validation:.4f}  {time.time() - start:.0f} s", flush=True)
    return curve, time.time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=40000)
    parser.add_argument("--folder", type=Path, help="also write a Hugging Face folder here")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    conversations = corpus.conversations(1, args.documents)
    tok = make_tokenizer(conversations)
    data = pack([encode(tok, turns) for turns in conversations])
    held_out = pack([encode(tok, turns) for turns in corpus.conversations(99, 400)])[:, :24]
    model = Model(CONFIG | {"vocab": tok.get_vocab_size()})
    count = sum(p.numel() for p in model.parameters())
    print(f"{count} parameters, {tok.get_vocab_size()} tokens, {data.shape[1]} rows, "
          f"each seen {args.steps * ROWS / data.shape[1]:.2f} times", flush=True)
    curve, seconds = train(model, data, held_out, args.steps)
    out = ROOT / "assets" / "standin"
    out.mkdir(parents=True, exist_ok=True)
    record = {"parameters": count, "steps": args.steps, "tokens_a_step": ROWS * LENGTH, "seconds": round(seconds),
              "torch": torch.__version__.split("+")[0], "curve": curve}
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    export.write_gguf(out / "tashika-standin.gguf", model, tok)
    if args.folder:
        export.write_folder(args.folder, model, tok)


if __name__ == "__main__":
    main()

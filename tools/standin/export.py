"""Write the stand-in model as GGUF (q8_0) or as a Hugging Face folder."""

import json
from pathlib import Path

import numpy as np

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
DESCRIPTION = ("A tiny model for the first run of Tashika: short stories, capitals, colours, counting, small sums. "
               "It knows nothing else and makes mistakes.")


def arrays(model):
    return {name: p.detach().float().numpy() for name, p in model.named_parameters()}


def halves_to_pairs(weight, heads):
    """GGUF's llama rotates neighbouring rows (0,1), (2,3)…; ours, as Hugging Face's, row i with row i + head_dim/2."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def merges_of(tok):
    merges = json.loads(tok.to_str())["model"]["merges"]
    return [m if isinstance(m, str) else " ".join(m) for m in merges]


def write_gguf(path, model, tok):
    import gguf

    c, w = model.c, gguf.GGUFWriter(str(path), "llama")
    w.add_name("Tashika stand-in")
    w.add_description(DESCRIPTION)
    w.add_license("apache-2.0")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    w.add_context_length(c["context"])
    w.add_embedding_length(c["hidden"])
    w.add_feed_forward_length(c["inner"])
    w.add_block_count(c["layers"])
    w.add_head_count(c["heads"])
    w.add_head_count_kv(c["kv_heads"])
    w.add_rope_dimension_count(c["head_dim"])
    w.add_rope_freq_base(c["theta"])
    w.add_layer_norm_rms_eps(c["eps"])
    w.add_vocab_size(c["vocab"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("starcoder")
    w.add_token_list([tok.id_to_token(i) for i in range(c["vocab"])])
    kinds = [gguf.TokenType.CONTROL if tok.id_to_token(i) in SPECIALS else gguf.TokenType.NORMAL for i in range(c["vocab"])]
    w.add_token_types(kinds)
    w.add_token_merges(merges_of(tok))
    w.add_bos_token_id(tok.token_to_id("<|endoftext|>"))
    w.add_eos_token_id(tok.token_to_id("<|im_end|>"))
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)

    def add(name, array):
        if array.ndim == 1:
            w.add_tensor(name, array.astype(np.float32))
            return
        blocks = gguf.quants.quantize(np.ascontiguousarray(array), gguf.GGMLQuantizationType.Q8_0)
        w.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    p = arrays(model)
    add("token_embd.weight", p["embed_tokens.weight"])
    add("output_norm.weight", p["norm.weight"])
    for i in range(c["layers"]):
        at = f"layers.{i}."
        add(f"blk.{i}.attn_norm.weight", p[at + "input_layernorm.weight"])
        add(f"blk.{i}.attn_q.weight", halves_to_pairs(p[at + "q_proj.weight"], c["heads"]))
        add(f"blk.{i}.attn_k.weight", halves_to_pairs(p[at + "k_proj.weight"], c["kv_heads"]))
        add(f"blk.{i}.attn_v.weight", p[at + "v_proj.weight"])
        add(f"blk.{i}.attn_output.weight", p[at + "o_proj.weight"])
        add(f"blk.{i}.ffn_norm.weight", p[at + "post_attention_layernorm.weight"])
        add(f"blk.{i}.ffn_gate.weight", p[at + "gate_proj.weight"])
        add(f"blk.{i}.ffn_up.weight", p[at + "up_proj.weight"])
        add(f"blk.{i}.ffn_down.weight", p[at + "down_proj.weight"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_folder(folder, model, tok):
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    c = model.c
    named = {}
    for name, p in model.named_parameters():
        part = name
        for inner, outer in (("q_proj", "self_attn"), ("k_proj", "self_attn"), ("v_proj", "self_attn"), ("o_proj", "self_attn"),
                             ("gate_proj", "mlp"), ("up_proj", "mlp"), ("down_proj", "mlp")):
            part = part.replace(f".{inner}.", f".{outer}.{inner}.")
        named["model." + part] = p.detach().to(torch.bfloat16).contiguous()
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c["vocab"], "hidden_size": c["hidden"],
              "intermediate_size": c["inner"], "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"],
              "num_key_value_heads": c["kv_heads"], "head_dim": c["head_dim"], "hidden_act": "silu", "rms_norm_eps": c["eps"],
              "max_position_embeddings": c["context"], "rope_theta": c["theta"], "tie_word_embeddings": True,
              "bos_token_id": 0, "eos_token_id": 2, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tok.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|im_end|>",
                "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")

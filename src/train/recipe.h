// A recipe: what `tashika train` is told, as a YAML file. Every key is listed once, in describe().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/rows.h"

namespace tashika {

enum class Schedule { constant, linear, cosine };
enum class TrainType { f32, bf16 };
enum class NanPolicy { stop, skip };

struct Recipe {
  struct ModelPart {
    std::string init;  // a checkpoint to start from, or
    Json config;       // a Hugging Face config to start fresh: an object, or the path of a config.json or of its folder
    std::int64_t seed = 0;
    std::string quantize;  // a weight format for the frozen matrices of a model that trains adapters
  } model;

  struct LoraPart {
    std::int64_t rank = 0;  // 0: the whole model trains
    double alpha = 0;       // 0: as the rank
    std::vector<std::string> targets{"q_proj", "k_proj", "v_proj", "o_proj"};
    std::string init;    // a PEFT folder to go on from
    bool merge = false;  // write the merged model, too
  } lora;

  struct DataPart {
    std::vector<std::string> train;  // files, in order
    std::int64_t seq_len = 512;      // longer rows are cut
    bool packing = false;            // several rows share a sequence of seq_len, each attending to itself only
    std::vector<std::string> validation;
    LossOn loss_on = LossOn::answers;
    std::string sample;  // a prompt that the model continues now and then, greedily
  } data;

  struct TrainPart {
    std::int64_t batch_size = 1;  // sequences of a micro-batch
    std::int64_t grad_accum = 1;  // micro-batches of a step
    std::int64_t steps = 0;
    double lr = 0;
    double min_lr = 0;  // where linear and cosine end
    Schedule schedule = Schedule::constant;
    std::int64_t warmup_steps = 0;
    double weight_decay = 0;
    double beta1 = 0.9, beta2 = 0.999;
    double eps = 1e-8;
    double max_grad_norm = 1;  // 0: off
    TrainType dtype = TrainType::f32;
    bool shuffle = true;
    bool recompute = false;     // keep only the inputs of blocks, and run each again for its gradients
    double ema = 0;             // decay of a moving average of the parameters; 0: none
    NanPolicy on_nan = NanPolicy::stop;
    double spike_factor = 0;    // a gradient norm above this many times its running mean is a spike, and skipped; 0: off
    std::int64_t eval_every = 0;  // steps between looks at the validation rows; 0: at the end only
    std::int64_t sample_every = 0;  // steps between continuations of data.sample; 0: at the end only
    double router_aux_loss_coef = -1;  // below 0: the config's, if its output_router_logits is true
  } train;

  struct OutputPart {
    std::string dir;
    std::int64_t save_every = 0;  // steps between checkpoints to resume from; 0: none
    std::int64_t keep = 2;        // checkpoints that stay
    std::int64_t log_every = 1;   // steps between progress lines
  } output;

  bool trains_adapters() const { return lora.rank > 0 || !lora.init.empty(); }

  Json values;  // as written
};

// Reads and checks a recipe, before anything else is opened. Error(usage) naming the key for a wrong value, a missing one
// or an unknown one (with the nearest known key).
Recipe read_recipe(const Json& values, const std::string& origin);
Recipe load_recipe(const std::string& path);

// The learning rate of optimiser step `step`, counting from 0, as transformers' schedules with warm-up give it.
double learning_rate(const Recipe::TrainPart& train, std::int64_t step);

}  // namespace tashika

#include "base/error.h"
#include "base/terminal.h"
#include "checkpoint/layer_map.h"
#include "cli/common.h"
#include "cli/verb.h"
#include "registry/registry.h"

namespace tashika::cli {
namespace {

class Convert final : public Command {
 public:
  void describe(Options& o) override {
    tashika::cli::describe(o, setting_);
    o.positional("OUT", out_, "the folder to write").completes(ValueHint::folder);
    o.group("Layers");
    o.value("--depth-upscale", "N", left_out_, "two copies one upon the other: the first without its last N layers, the second without its first N").range(0, 1 << 20);
    o.value("--layers", "LIST", layers_, "these layers of IN in this order: 0-43,8-51");
  }

  int run(Context& context) override {
    const std::string& name = setting_.required();
    if (!out_ || (left_out_ >= 0) == layers_.has_value()) {
      fail_with(ErrorKind::usage, "convert takes IN, OUT and either --depth-upscale N or --layers LIST");
    }
    const Checkpoint checkpoint = open_checkpoint(find_checkpoint(name));
    const std::int64_t count = count_layers(checkpoint);
    const LayerMap map = layers_ ? parse_layer_map(*layers_, count) : depth_upscale(count, left_out_);
    const std::unique_ptr<Runtime> rt = make_runtime({});
    write_layer_map(checkpoint, map, *out_, *rt);
    context.log.write(LogLevel::info, cat("wrote ", *out_, ": ", map.size(), " layers from ", count));
    return 0;
  }

 private:
  ModelSetting setting_;
  std::optional<std::string> out_, layers_;
  std::int64_t left_out_ = -1;
};

}  // namespace

extern const Verb verb_convert;
const Verb verb_convert{
    "convert", "make a model of another one's layers",
    "Writes a Hugging Face folder whose layers are those of IN, some left out or repeated: the weights' very bytes, the\n"
    "config with the new number of layers, tokenizer and templates. The result is to be trained further.",
    "  tashika convert code-20b code-34b --depth-upscale 8         52 layers become 88\n"
    "  tashika convert IN OUT --layers 0-11,20-31                  a shorter model\n",
    make_command<Convert>};

}  // namespace tashika::cli

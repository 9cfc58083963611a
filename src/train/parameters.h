// The tensors that training changes: leaves of the tape with their master values and optimiser state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "nn/module.h"
#include "tensor/tape.h"

namespace tashika {

struct Trained {
  std::string name;
  Tensor* value = nullptr;  // what the model reads: the master itself, or a rounded copy of it
  DType compute;            // of that copy
  Tensor master;            // f32, contiguous
  Tensor m, v;              // Adam's moments
  Tensor average;           // moving average of the master, where the recipe wants one
  bool decays = false;      // matrices, embeddings included; not norms and biases

  Tensor& gradient() const { return value->grad_node()->grad; }
  void refresh();  // the model's copy, after the master has changed
};

// A trained tensor that starts at *value, which becomes a leaf of the tape; `compute` is f32 or bf16 (matrices only).
Trained make_trained(std::string name, Tensor& value, Runtime& rt, DType compute);
// Every parameter of the module.
std::vector<Trained> train_all(Module& module, Runtime& rt, DType compute);

// Values for a model that starts fresh: matrices normal with deviation `range`, norms one, biases zero; parameters that
// may be absent stay so, except biases where `biased` says that a name has one. A function of seed and name alone.
void initialise(Module& module, Runtime& rt, double range, std::uint64_t seed, bool (*biased)(const Json& config, const std::string& name),
                const Json& config);
// Uniform in (−bound, bound).
std::vector<float> uniform_values(std::int64_t count, double bound, std::uint64_t seed, const std::string& name);

// While it lives, trained tensors record nothing: forwards leave no tape.
class WithoutTape {
 public:
  explicit WithoutTape(const std::vector<Trained>& trained);
  ~WithoutTape();
  WithoutTape(const WithoutTape&) = delete;
  WithoutTape& operator=(const WithoutTape&) = delete;

 private:
  const std::vector<Trained>& trained_;
  std::vector<Tensor> values_;
};

// The squared norm of all gradients; tensors without one count nothing.
double squared_gradient_norm(const std::vector<Trained>& trained);
// The name of the first one whose gradient is not finite; empty when all are.
std::string not_finite(const std::vector<Trained>& trained);

}  // namespace tashika

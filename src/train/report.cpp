#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace tashika {
namespace {

using Points = std::vector<std::pair<double, double>>;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else out.push_back(c);
  }
  return out;
}

std::vector<Json> read_lines(const std::string& path) {
  std::vector<Json> out;
  const std::string text = read_file(path, std::uint64_t{4} << 30);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) out.push_back(parse_json(std::string_view(text).substr(at, end - at), path));
    at = end + 1;
  }
  return out;
}

Points series(const std::vector<Json>& lines, std::string_view key) {
  Points out;
  for (const Json& line : lines) {
    const Json& value = line[key];
    if (value.is_number() && std::isfinite(value.as_double())) out.emplace_back(line["step"].as_double(), value.as_double());
  }
  return out;
}

// At most `count` points, each the mean of its neighbours.
Points thinned(const Points& points, std::size_t count) {
  if (points.size() <= count) return points;
  Points out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * points.size() / count, end = (i + 1) * points.size() / count;
    double x = 0, y = 0;
    for (std::size_t j = begin; j < end; ++j) x += points[j].first, y += points[j].second;
    out.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
  }
  return out;
}

std::string shown(double value) {
  const double digits = value == 0 ? 0 : std::pow(10.0, 3 - std::floor(std::log10(std::abs(value))));
  return digits == 0 ? "0" : cat(std::round(value * digits) / digits);
}

std::string number(double value) { return cat(std::round(value * 10) / 10); }

struct Curve {
  std::string_view colour;
  Points points;
};

std::string chart(std::string_view title, std::vector<Curve> curves) {
  constexpr double width = 860, height = 220, left = 70, right = 12, top = 12, bottom = 28;
  double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
  for (Curve& curve : curves) {
    curve.points = thinned(curve.points, 800);
    for (const auto& [x, y] : curve.points) {
      x0 = std::min(x0, x), x1 = std::max(x1, x);
      y0 = std::min(y0, y), y1 = std::max(y1, y);
    }
  }
  if (x0 > x1) return {};
  if (x1 == x0) x1 = x0 + 1;
  if (y1 == y0) y1 = y0 + (y0 == 0 ? 1 : std::abs(y0) * 0.1);
  const auto px = [&](double x) { return left + (x - x0) / (x1 - x0) * (width - left - right); };
  const auto py = [&](double y) { return height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom); };
  std::string out = cat("<h2>", title, "</h2>\n<svg viewBox=\"0 0 ", width, " ", height, "\" role=\"img\" aria-label=\"", title, "\">\n");
  for (int i = 0; i <= 4; ++i) {
    const double y = y0 + (y1 - y0) * i / 4, x = x0 + (x1 - x0) * i / 4;
    out += cat("<line x1=\"", left, "\" x2=\"", width - right, "\" y1=\"", number(py(y)), "\" y2=\"", number(py(y)), "\"/>");
    out += cat("<text x=\"", left - 6, "\" y=\"", number(py(y) + 4), "\" text-anchor=\"end\">", shown(y), "</text>");
    out += cat("<text x=\"", number(px(x)), "\" y=\"", height - 8, "\" text-anchor=\"", i == 4 ? "end" : i == 0 ? "start" : "middle", "\">", shown(std::round(x)), "</text>\n");
  }
  for (const Curve& curve : curves) {
    out += cat("<polyline stroke=\"", curve.colour, "\" points=\"");
    for (const auto& [x, y] : curve.points) out += cat(number(px(x)), ",", number(py(y)), " ");
    out += "\"/>\n";
  }
  return out + "</svg>\n";
}

}  // namespace

void write_report(const std::string& out, const Json& recipe) {
  const std::vector<Json> lines = read_lines(join_path(out, "metrics.jsonl"));
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Training report</title><style>"
      "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
      "h1{font-size:1.5em}h2{font-size:1.05em;margin:1.4em 0 .2em}svg{width:100%;font-size:11px}svg line{stroke:#ddd}svg text{fill:#555}"
      "svg polyline{fill:none;stroke-width:1.6}pre{background:#f5f5f5;padding:1em;overflow:auto}td{padding:.1em 1em .1em 0}"
      "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}svg line{stroke:#333}svg text{fill:#aaa}pre{background:#222}}"
      "</style></head><body><h1>Training report</h1>\n";
  if (!lines.empty()) {
    const Json& last = lines.back();
    double tokens = 0, skipped = 0;
    for (const Json& line : lines) {
      tokens += line["input_tokens"].is_number() ? line["input_tokens"].as_double() : 0;
      skipped += line.contains("skipped") ? 1 : 0;
    }
    html += cat("<table><tr><td>steps</td><td>", last["step"].as_integer(), "</td></tr><tr><td>last loss</td><td>",
                last["loss"].is_number() ? shown(last["loss"].as_double()) : "not a number", "</td></tr><tr><td>input tokens</td><td>",
                static_cast<std::int64_t>(tokens), "</td></tr><tr><td>skipped steps</td><td>", static_cast<std::int64_t>(skipped), "</td></tr></table>\n");
  }
  std::vector<Curve> losses{{"#2563eb", series(lines, "loss")}};
  const Points validation = series(lines, "validation_loss");
  if (!validation.empty()) losses.push_back({"#dc2626", validation});
  html += chart(validation.empty() ? "Loss" : "Loss (blue), validation loss (red)", std::move(losses));
  html += chart("Gradient norm", {{"#7c3aed", series(lines, "grad_norm")}});
  html += chart("Learning rate", {{"#059669", series(lines, "lr")}});
  html += chart("Input tokens a second", {{"#d97706", series(lines, "tokens_per_s")}});
  std::string samples;
  for (const Json& line : lines) {
    if (line["sample"].is_string()) samples += cat("<tr><td>", line["step"].as_integer(), "</td><td>", escape(line["sample"].as_string()), "</td></tr>\n");
  }
  if (!samples.empty()) html += cat("<h2>Samples by step</h2><table>", samples, "</table>\n");
  html += cat("<h2>Recipe</h2><pre>", escape(dump_json(recipe, JsonStyle::python, 2)), "</pre></body></html>\n");
  write_file(join_path(out, "report.html"), html);
}

}  // namespace tashika

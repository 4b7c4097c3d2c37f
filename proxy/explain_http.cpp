// A question and its answer as HTTP carries them, both ways.
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "proxy/explain.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {
namespace {

void add(std::string& query, std::string_view name, const std::string& value) {
  const std::unique_ptr<char, FreeWith<std::free>> encoded{
      evhttp_uriencode(value.data(), static_cast<ev_ssize_t>(value.size()), 0)};
  if (!encoded) throw std::bad_alloc{};
  if (!query.empty()) query += '&';
  query.append(name).append(1, '=').append(encoded.get());
}

}  // namespace

std::string to_query(const Question& question) {
  std::string query;
  const auto add_if = [&query](std::string_view name, const std::string& value) {
    if (!value.empty()) add(query, name, value);
  };
  add_if("user", question.user);
  add_if("certificate", question.certificate);
  add(query, "command", question.command);
  if (question.key) add(query, "key", *question.key);
  add_if("from", question.from);
  add_if("listener", question.listener);
  return query;
}

std::expected<Question, std::string> parse_question(std::string_view query) {
  Question question;
  evkeyvalq pairs{};
  if (evhttp_parse_query_str(std::string{query}.c_str(), &pairs) != 0)
    return std::unexpected<std::string>("a query that cannot be read");
  std::string unknown;
  for (const evkeyval* pair = pairs.tqh_first; pair != nullptr; pair = pair->next.tqe_next) {
    const std::string_view name = pair->key;
    if (name == "user") {
      question.user = pair->value;
    } else if (name == "command") {
      question.command = pair->value;
    } else if (name == "key") {
      question.key = pair->value;
    } else if (name == "from") {
      question.from = pair->value;
    } else if (name == "certificate") {
      question.certificate = pair->value;
    } else if (name == "listener") {
      question.listener = pair->value;
    } else {
      unknown = "a question has user or certificate, command, key, from and listener, nothing else";
    }
  }
  evhttp_clear_headers(&pairs);
  if (!unknown.empty()) return std::unexpected(std::move(unknown));
  return question;
}

std::string to_json(const Explanation& explanation) {
  const nlohmann::ordered_json object{
      {"allowed", explanation.allowed}, {"why", explanation.why}, {"change", explanation.change}};
  return object.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::expected<Explanation, std::string> parse_explanation(std::string_view json) {
  try {
    const auto object = nlohmann::json::parse(json);
    Explanation explanation{.allowed = object.at("allowed").get<bool>(),
                            .why = conf::one_line(object.at("why").get<std::string>()),
                            .change = {}};
    for (const auto& line : object.at("change"))
      explanation.change.push_back(conf::one_line(line.get<std::string>()));
    return explanation;
  } catch (const nlohmann::json::exception&) {
    return std::unexpected<std::string>("the admin endpoint's answer is not what GET /explain says");
  }
}

}  // namespace mcgate::proxy

#include "conf/users.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "conf/addresses.hpp"
#include "conf/certificates.hpp"
#include "conf/document.hpp"
#include "conf/file.hpp"
#include "conf/namespaces.hpp"
#include "conf/user_limits.hpp"

namespace mcgate::conf {
namespace {

// A control would forge lines of a log, and a space would end the name in a text log-in.
bool valid_name(std::string_view name) {
  return std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
}

UserSecret read_secret(std::variant<PlacedText, PlacedTable>& item, Problems& problems) {
  UserSecret secret;
  std::optional<PlacedText> verifier;
  if (auto* text = std::get_if<PlacedText>(&item)) {
    verifier = std::move(*text);
  } else {
    SectionReader reader{std::get<PlacedTable>(item), Section::UserSecret, problems};
    verifier = reader.text("verifier");
    reader.moment("not_after", secret.not_after);
    reader.boolean("scram", secret.scram);
    if (auto comment = reader.text("comment")) secret.comment = std::move(comment->text);
  }
  if (!verifier) return secret;
  secret.place = verifier->place;
  secret.verifier = Secret{std::move(verifier->text)};
  // What it is instead may be a password: never quoted.
  const auto text = secret.verifier.reveal();
  if (!text.starts_with("SCRAM-SHA-256$") && !text.starts_with("SCRAM-SHA-512$")) {
    problems.add(
        secret.place,
        "a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one");
  }
  return secret;
}

void read_password_source(SectionReader& reader, const Login& login, User& user, Problems& problems) {
  reader.choice("password_source", user.password_source,
                {{"secrets", PasswordSource::Secrets}, {"saslauthd", PasswordSource::Saslauthd}});
  if (user.password_source == PasswordSource::Saslauthd && login.saslauthd.path.empty()) {
    problems.add(
        reader.place_of("password_source"),
        "password_source: [login] does not say where saslauthd is: saslauthd = \"/run/saslauthd/mux\"");
  }
}

User read_user(PlacedTable table, const Login& login, Names& names, const Names& roles, Problems& problems) {
  SectionReader reader{table, Section::User, problems};
  User user;
  user.place = table.place;
  if (auto name = reader.text("name")) {
    names.add(name->text, name->place);
    if (!valid_name(name->text)) {
      problems.add(name->place,
                   fmt::format("{:?}: a user's name holds no space or control character", name->text));
    }
    user.name = std::move(name->text);
  }
  reader.boolean("enabled", user.enabled);
  read_password_source(reader, login, user, problems);
  for (auto& item : reader.texts_or_tables("secrets")) user.secrets.push_back(read_secret(item, problems));
  user.certificates = read_certificate_names(reader, problems);
  user.unix_users = reader.texts("unix_users");
  user.unix_groups = reader.texts("unix_groups");
  user.networks = read_networks(reader, "networks", problems);
  for (PlacedText& role : reader.texts("roles")) {
    if (!roles.knows(role.text)) problems.add(role.place, fmt::format("there is no [role.{}]", role.text));
    user.roles.push_back(std::move(role.text));
  }
  read_namespace(reader, user, problems);
  user.limits = read_user_limits(reader, problems);
  return user;
}

// The TOML reader knows of one file.
void put_in_users_file(Members& table);
void put_in_users_file(Value& value) {
  value.place.in_users_file = true;
  if (auto* table = std::get_if<Members>(&value.data)) put_in_users_file(*table);
  if (auto* array = std::get_if<Array>(&value.data))
    std::ranges::for_each(*array, [](Value& item) { put_in_users_file(item); });
}
void put_in_users_file(Members& table) {
  for (Member& member : table) {
    member.place.in_users_file = true;
    put_in_users_file(member.value);
  }
}

}  // namespace

void UserReader::read(SectionReader& top) {
  for (const PlacedTable& table : top.tables("user"))
    config_.users.push_back(read_user(table, config_.login, names_, roles_, problems_));
}

void UserReader::read_file(const PlacedText& named, const std::string& config_file, const FileReader& read) {
  config_.users_file = (std::filesystem::path{config_file}.parent_path() / named.text).string();
  problems_.set_users_file(config_.users_file);
  const auto text =
      read ? read(config_.users_file) : std::unexpected(std::string{"no other file is read here"});
  if (!text) {
    problems_.add(named.place,
                  fmt::format("users_file: {:?} cannot be read: {}", config_.users_file, text.error()));
    return;
  }
  if (text->reveal().size() > kMaxFile) {
    problems_.add(named.place,
                  fmt::format("users_file: {:?} has more than {} bytes", config_.users_file, kMaxFile));
    return;
  }
  auto document = read_toml(text->reveal(), config_.users_file);
  if (!document) {
    Place place = document.error().place;
    place.in_users_file = true;
    problems_.add(place, std::move(document.error().message));
    return;
  }
  put_in_users_file(*document);
  for (const Member& member : *document) {
    if (member.key != "user")
      problems_.add(member.place,
                    fmt::format("{:?}: a users file holds [[user]] and nothing else", member.key));
  }
  std::erase_if(*document, [](const Member& member) { return member.key != "user"; });
  SectionReader top{{Place{.in_users_file = true}, &*document}, Section::Top, problems_};
  this->read(top);
}

}  // namespace mcgate::conf

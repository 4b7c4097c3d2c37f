#include "conf/audit.hpp"

#include <utility>

namespace mcgate::conf {

Audit read_audit(PlacedTable table, Problems& problems) {
  SectionReader reader{table, Section::Audit, problems};
  Audit audit;
  audit.place = reader.place_of("file");
  reader.choice("keys", audit.keys,
                {{"full", AuditKeys::Full}, {"hashed", AuditKeys::Hashed}, {"prefix", AuditKeys::Prefix}});
  if (auto key = reader.text("hash_key")) {
    if (audit.keys != AuditKeys::Hashed) problems.add(key->place, "hash_key is for keys = \"hashed\" only");
    audit.hash_key = Secret{std::move(key->text)};
  }
  reader.seconds("group_seconds", audit.group);
  if (auto file = reader.text("file"); file && file->text != "stderr") {
    // Whoever starts it from elsewhere would have another file.
    if (!file->text.starts_with('/'))
      problems.add(file->place, "file must be an absolute path, or \"stderr\"");
    audit.file = std::move(file->text);
  }
  return audit;
}

}  // namespace mcgate::conf

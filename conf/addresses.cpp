#include "conf/addresses.hpp"

#include <utility>

namespace mcgate::conf {

std::vector<Network> read_networks(SectionReader& reader, std::string_view name, Problems& problems) {
  std::vector<Network> networks;
  for (const PlacedText& item : reader.texts(name)) {
    if (const auto network = parse_network(item.text)) {
      networks.push_back(*network);
    } else {
      problems.add(item.place, network.error());
    }
  }
  return networks;
}

std::optional<Address> read_address(SectionReader& reader, Problems& problems) {
  const auto text = reader.text("address");
  if (!text) return std::nullopt;
  auto address = parse_address(text->text);
  if (address) return std::move(*address);
  problems.add(text->place, address.error());
  return std::nullopt;
}

}  // namespace mcgate::conf

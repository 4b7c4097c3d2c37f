#include "proxy/admin_host.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace mcgate::proxy;

TEST_CASE("whoever calls us by an address or a name of ours is meant for us") {
  const std::vector<std::string> names{"mcgate.example", "mcgate-admin.cache.svc"};
  struct Row {
    std::string_view host;
    bool ours;
  };
  for (const Row& row : {
           Row{"127.0.0.1", true},
           Row{"127.0.0.1:9150", true},
           Row{"10.1.2.3:9150", true},
           Row{"[::1]", true},
           Row{"[::1]:9150", true},
           Row{"[fd00::7]:9150", true},
           Row{"localhost", true},
           Row{"LocalHost:9150", true},
           Row{"mcgate.example", true},
           Row{"MCGATE.example:9150", true},
           Row{"mcgate-admin.cache.svc:9150", true},
           Row{"", false},
           Row{":9150", false},
           Row{"evil.example", false},
           Row{"evil.example:9150", false},
           Row{"mcgate.example.evil.example", false},
           Row{"mcgate.exampl", false},
           Row{"localhost.evil.example:9150", false},
           Row{"localhost.", false},
           Row{"127.0.0.1.evil.example", false},
           Row{"127.0.0.1:9150.evil.example", false},
           Row{"127.1", false},
           Row{"0x7f000001", false},
           Row{"2130706433", false},
           Row{"::1", false},  // without its brackets
           Row{"[::1", false},
           Row{"[::1]x", false},
           Row{"[]", false},
           Row{"[127.0.0.1]", false},
           Row{"[evil.example]", false},
           Row{"user@localhost", false},
           Row{"localhost, evil.example", false},
           Row{"localhost localhost", false},
           Row{std::string_view{"localhost\0", 10}, false},
       }) {
    CAPTURE(row.host);
    CHECK(is_our_host(row.host, names) == row.ours);
  }
  CHECK_FALSE(is_our_host("", {}));
  CHECK_FALSE(is_our_host("mcgate.example", {}));
}

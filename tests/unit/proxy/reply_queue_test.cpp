#include "proxy/reply_queue.hpp"

#include <doctest/doctest.h>

using mcgate::protocol::Caller;
using mcgate::protocol::Command;
using mcgate::protocol::Dialect;
using mcgate::proxy::Buffer;
using mcgate::proxy::ReplyQueue;

namespace {

constexpr Caller kMetaNoop{.command = Command::Noop, .dialect = Dialect::Meta};

void reply(ReplyQueue& queue, std::string_view text, std::size_t keys = 1) {
  queue.head().append(text);
  queue.answered(keys);
}

}  // namespace

TEST_CASE("an answer of our own leaves at once when nothing is in flight") {
  Buffer output;
  ReplyQueue queue{output};
  queue.say("VERSION 1\r\n");
  CHECK(output.view() == "VERSION 1\r\n");
  CHECK(queue.in_flight() == 0);
}

TEST_CASE("answers of our own wait for the replies that were asked before them, and only for those") {
  Buffer output;
  ReplyQueue queue{output};
  queue.ask(1);
  queue.say("[a]");
  queue.ask(1);
  queue.ask(1);
  queue.say("[b]");
  queue.say("[c]");
  CHECK(output.empty());
  reply(queue, "1");
  CHECK(output.view() == "1[a]");
  reply(queue, "2");
  CHECK(output.view() == "1[a]2");
  reply(queue, "3");
  CHECK(output.view() == "1[a]23[b][c]");
  CHECK(queue.in_flight() == 0);
}

TEST_CASE("an empty answer is none") {
  Buffer output;
  ReplyQueue queue{output};
  queue.say("");
  CHECK(output.empty());
}

TEST_CASE("a fence is a no-op's answer, and waits its turn") {
  Buffer output;
  ReplyQueue queue{output};
  queue.ask(1);
  queue.fence(kMetaNoop, false);
  CHECK(output.empty());
  reply(queue, "HD\r\n");
  CHECK(output.view() == "HD\r\nMN\r\n");
}

TEST_CASE("a fence carries the error of quiet requests before it that failed, once") {
  Buffer output;
  ReplyQueue queue{output};
  queue.ask(1);
  queue.fence(kMetaNoop, false);
  queue.fence(kMetaNoop, false);
  queue.failed_in_silence();
  queue.answered(1);
  CHECK(output.view().starts_with("SERVER_ERROR "));
  CHECK(output.view().ends_with("\r\nMN\r\n"));
}

TEST_CASE("a failure behind a fence belongs to the next one") {
  Buffer output;
  ReplyQueue queue{output};
  queue.fence(kMetaNoop, false);
  CHECK(output.view() == "MN\r\n");
  queue.failed_in_silence();
  output.consume(output.size());
  queue.fence(kMetaNoop, false);
  CHECK(output.view().starts_with("SERVER_ERROR "));
}

TEST_CASE("a fence fails by itself when the upstream is away") {
  Buffer output;
  ReplyQueue queue{output};
  queue.fence(kMetaNoop, true);
  CHECK(output.view().starts_with("SERVER_ERROR "));
}

TEST_CASE("a request refused in silence fails the fence behind it, not the one before it") {
  Buffer output;
  ReplyQueue queue{output};
  queue.ask(1);
  queue.fence(kMetaNoop, false);
  queue.fail_in_silence();
  queue.fence(kMetaNoop, false);
  reply(queue, "");
  CHECK(output.view().starts_with("MN\r\nSERVER_ERROR "));
}

TEST_CASE("the load counts keys in flight and answers that wait") {
  Buffer output;
  ReplyQueue queue{output};
  queue.say("not waiting");
  CHECK(queue.load() == 0);
  queue.ask(5);
  queue.ask(1);
  queue.say("waiting");
  CHECK(queue.load() == 7);
  reply(queue, "", 5);
  CHECK(queue.load() == 2);
  reply(queue, "");
  CHECK(queue.load() == 0);
}

// Base64 (RFC 4648 §4), canonical form only.
#pragma once

#include <string>
#include <string_view>

namespace mcgate::protocol {

// Appends the decoded bytes of `text` to `out` and returns true, or returns false (out unchanged) if it is
// not canonical: a length not divisible by 4, a foreign character, padding elsewhere than at the end,
// trailing bits that are not zero, or nothing at all.
bool decode_base64(std::string_view text, std::string& out);

// Appends the encoded form, padded.
void encode_base64(std::string_view bytes, std::string& out);

}  // namespace mcgate::protocol

# The load generator; tests/bench/run and tests/bench/instructions drive it.
file(GLOB loadgen_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/loadgen/*.cpp)
add_executable(mcgate_loadgen ${loadgen_sources})
target_link_libraries(mcgate_loadgen PRIVATE
  mcgate_options PkgConfig::EVENT OpenSSL::SSL fmt::fmt CLI11::CLI11 nlohmann_json::nlohmann_json)

# The load generator; tests/bench/run and tests/bench/instructions drive it.
file(GLOB loadgen_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/loadgen/*.cpp)
add_executable(mcgate_loadgen ${loadgen_sources})
target_link_libraries(mcgate_loadgen PRIVATE
  mcgate_options PkgConfig::EVENT OpenSSL::SSL fmt::fmt CLI11::CLI11 nlohmann_json::nlohmann_json)

# Counting is only worth something with the optimiser's code, and takes valgrind.
find_program(VALGRIND valgrind)
if(MCGATE_TESTS AND VALGRIND AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT MCGATE_SANITIZE)
  add_test(NAME bench_instructions COMMAND ${CMAKE_CURRENT_LIST_DIR}/instructions --check
    --mcgate $<TARGET_FILE:mcgate> --loadgen $<TARGET_FILE:mcgate_loadgen>)
  set_tests_properties(bench_instructions PROPERTIES TIMEOUT 300 LABELS bench)
endif()

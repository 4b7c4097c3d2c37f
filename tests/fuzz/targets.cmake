# The fuzz targets: each tests/fuzz/<noun>_fuzz.cpp is a program fuzz_<noun>, and a test that runs it for a
# while from the seeds in tests/fuzz/corpus/<noun>. What it finds is kept in the build directory. The target `fuzz`
# is all of them and what they use, which is less than all there is.
set(MCGATE_FUZZ_SECONDS 5 CACHE STRING "For how long the test of each fuzz target runs")

# Our own code reports which of its branches an input takes.
target_compile_options(mcgate_options INTERFACE -fsanitize=fuzzer-no-link)

add_custom_target(fuzz)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
foreach(source ${fuzz_sources})
  get_filename_component(noun ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" noun ${noun})
  set(seeds ${CMAKE_CURRENT_LIST_DIR}/corpus/${noun})
  set(found ${CMAKE_CURRENT_BINARY_DIR}/fuzz/${noun})
  file(MAKE_DIRECTORY ${found}/corpus ${found}/failures)

  add_executable(fuzz_${noun} ${source})
  add_dependencies(fuzz fuzz_${noun})
  target_link_libraries(fuzz_${noun} PRIVATE mcgate_options mcgate_auth)
  target_link_options(fuzz_${noun} PRIVATE -fsanitize=fuzzer)

  set(corpora ${found}/corpus)
  if(EXISTS ${seeds})
    list(APPEND corpora ${seeds})
  endif()
  add_test(NAME fuzz_${noun}
    COMMAND fuzz_${noun} -max_total_time=${MCGATE_FUZZ_SECONDS} -timeout=10
      -artifact_prefix=${found}/failures/ ${corpora})
  set_tests_properties(fuzz_${noun} PROPERTIES LABELS fuzz)
endforeach()

# End-to-end tests: Python's unittest, a real memcached, and mcgate itself. Each file is one test; all of them find free
# ports by themselves and may run side by side.
find_program(MEMCACHED memcached PATHS /usr/bin NO_DEFAULT_PATH)
set(MCGATE_E2E_PYTHON /usr/bin/python3)  # the system's own: it has the client libraries

function(mcgate_e2e name timeout)
  add_test(NAME e2e_${name} COMMAND ${MCGATE_E2E_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/test_${name}.py)
  set_tests_properties(e2e_${name} PROPERTIES TIMEOUT ${timeout} LABELS "e2e;${ARGN}"
    ENVIRONMENT "MCGATE=$<TARGET_FILE:mcgate>;MEMCACHED=${MEMCACHED}")
endfunction()

# What makes an allocation of mcgate's fail. Not itself under a sanitizer: it stands before theirs.
add_library(mcgate_failing_malloc MODULE ${CMAKE_CURRENT_SOURCE_DIR}/e2e/failing_malloc.cpp)
target_compile_options(mcgate_failing_malloc PRIVATE -Wall -Wextra -Werror)
target_link_libraries(mcgate_failing_malloc PRIVATE ${CMAKE_DL_LIBS})
if(MCGATE_SANITIZE MATCHES address)
  target_compile_definitions(mcgate_failing_malloc PRIVATE MCGATE_OWN_NEW)
endif()

mcgate_e2e(transcripts 180)
mcgate_e2e(transcript_coverage 60)
mcgate_e2e(login 180)
mcgate_e2e(sasl 180)
mcgate_e2e(strangers 300)
mcgate_e2e(timeouts 180)
mcgate_e2e(rights 180)
mcgate_e2e(every_command 180)
mcgate_e2e(documents 180)
mcgate_e2e(clients 180)
mcgate_e2e(bad_input 300)
mcgate_e2e(upstream 300)
mcgate_e2e(limits 300)
mcgate_e2e(chaos 300)
mcgate_e2e(differential 600)
mcgate_e2e(memory 600)
set_property(TEST e2e_memory APPEND PROPERTY ENVIRONMENT
  "MCGATE_FAILING_MALLOC=$<TARGET_FILE:mcgate_failing_malloc>")
mcgate_e2e(faults 180)
mcgate_e2e(poison 180)
mcgate_e2e(cut_off 300)
mcgate_e2e(together 300)
mcgate_e2e(reload 180)
mcgate_e2e(forwarding 180)
mcgate_e2e(listeners 180)
mcgate_e2e(pauses 180)
mcgate_e2e(remote 180)
mcgate_e2e(throttle 180)
mcgate_e2e(namespaces 300)
mcgate_e2e(admin 180)

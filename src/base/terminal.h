// Standard streams, terminals and interrupts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tashika {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();
// Colour for a stream that is a terminal, unless NO_COLOR is set or TERM is "dumb".
bool colour_on(bool is_terminal);
int terminal_width();  // columns; 80 when unknown

// All of it, at once. Error when stdout cannot take it (a full disk).
void write_stdout(std::string_view text);
void write_stderr(std::string_view text);  // never an error

// All of standard input. Error(limit) above `limit` bytes.
std::string read_stdin(std::uint64_t limit);
// Appends what comes next, at most 64 KiB; false at the end of the input.
bool read_stdin_some(std::string& out);

// Ctrl-Cs so far (counted once on_interrupt() was called).
unsigned interrupts();
// One byte of standard input: 1, 0 at its end, -1 when it cannot be read or when more than `seen`
// Ctrl-Cs have come, be it before the call or while it waits.
int read_stdin_byte(unsigned char& byte, unsigned seen);

// An environment variable; empty when unset.
std::string environment(const char* name);

// The path of the running program; empty when the system does not say.
std::string program_path();

// Ctrl-C. Until the first call the signal ends the process as usual. Afterwards it calls the handler
// (on the signal's own stack: only atomics may be touched); without a handler the program ends with
// exit code 130. `null` takes the handler away.
void on_interrupt(void (*handler)(void* context), void* context);

// Peak resident memory of this process in bytes, and physical memory usable (the cgroup's limit respected).
std::int64_t peak_resident_bytes();
std::int64_t resident_bytes();  // now
std::int64_t usable_memory_bytes();

}  // namespace tashika

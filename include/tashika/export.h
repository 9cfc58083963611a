// Which symbols the shared library shows: those marked here, and nothing else.
#pragma once

#define TASHIKA_API __attribute__((visibility("default")))

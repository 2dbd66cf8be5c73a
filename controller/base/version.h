#ifndef FN_BASE_VERSION_H
#define FN_BASE_VERSION_H

#define FN_VERSION "0.1.0"

#endif

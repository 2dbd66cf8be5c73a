/* `fn-controller push-base`: packs a root directory into a one-layer base image and pushes it. */
#ifndef FN_PROVIDERS_BASE_IMAGE_H
#define FN_PROVIDERS_BASE_IMAGE_H

#include "base/conf.h"

/* push-base --name REPO --tag TAG DIR [--env NAME=value]… [--home DIR] [-- COMMAND…]
 * argv[0] is the subcommand's name. DIR becomes the image's root: Linux on this machine's architecture, Env PATH and what --env adds,
 * Cmd where COMMAND is given. The same DIR gives the same digest, and pushing it again sends nothing. Run by root, it reads DIR as root
 * and then becomes conf's user, whose cache and credentials it uses.
 * Prints "REPO@sha256:…", as a Runtime's manifest names its base, on standard output and returns 0; 2 for bad usage, 1 for a failure,
 * which is logged. */
int base_image_main(const struct conf *conf, int argc, char **argv);

#endif

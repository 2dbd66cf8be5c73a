/* fn-build: the build child as a program of its own (builder.h). */
#include "reconcilers/providers/builder.h"

int main(int argc, char **argv) { return builder_child_main(argc, argv); }

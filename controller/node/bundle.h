/* An OCI bundle (runtime-spec config.md): what one instance may see and do. Nothing in it comes from a manifest but the
 * command, the environment variables, the limits and the port. */
#ifndef FN_NODE_BUNDLE_H
#define FN_NODE_BUNDLE_H

#include <sys/types.h>

#include "base/json.h"
#include "node/oci_image.h"

struct bundle {
	const char *name;                    /* also the hostname */
	const char *const *command, *const *image_env, *const *env; /* NULL-terminated */
	const char *workdir;
	const char *netns;                   /* path */
	const char *cgroup;                  /* path below each hierarchy */
	const char *address, *nameserver;    /* the instance's and the host's, dotted */
	uid_t uid;                           /* and gid */
	int port;
	int64_t memory_bytes, cpu_millis, pids;
	bool cgroup_v2;
	json_t *seccomp;                     /* borrowed */
};

/* Pure. A new reference to config.json's content; root.path is "rootfs", beside the file. */
json_t *bundle_config(const struct bundle *b);

/* Writes dir/config.json and dir/top, the layer above the image's: mount points, and the files in /etc that tell about this
 * instance. They lie above so that no link in an image can redirect a mount. dir is on the private tmpfs: env may hold secrets. */
enum err_class bundle_write(const struct bundle *b, const char *dir, struct err *e) MUST_USE;

/* Mounts dir/rootfs: the layers below dir/top, read-only. layers is the layer store's directory and must be the working
 * directory of the process, so that forty names fit into a page of options. Mounted already is fine. */
enum err_class bundle_mount(const char *dir, const struct oci_image *image, struct err *e) MUST_USE;
enum err_class bundle_unmount(const char *dir, struct err *e) MUST_USE; /* not mounted is fine */

#endif

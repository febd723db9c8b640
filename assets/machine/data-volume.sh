# Mounts the data volume where the Docker engine keeps everything, at every boot. An empty volume gets a file system; one
# that has any is left as it is. Without it the engine does not start (docker.service.d), so that nothing is written beside.
where=/var/lib/docker
mountpoint -q "$where" && exit 0
tries=0
# It is attached after the machine has started.
until [ -b "$DEVICE" ]; do
  tries=$((tries + 1))
  [ "$tries" -le 600 ] || { echo "data volume $DEVICE is not attached" >&2; exit 1; }
  sleep 1
done
blkid -p "$DEVICE" >/dev/null
# Only 2 says that nothing is there (blkid(8)); not to know what it is, is not to know that it is empty.
case $? in
  0) ;;
  2) mkfs.ext4 -q -m 1 -L ohif-data "$DEVICE" || exit 1 ;;
  *) echo "data volume $DEVICE: cannot tell what it holds, so it is left as it is" >&2; exit 1 ;;
esac
mkdir -p "$where"
grep -q " $where " /etc/fstab || echo "$DEVICE $where ext4 defaults,noatime,nofail,x-systemd.device-timeout=600s 0 2" >>/etc/fstab
mount "$where"

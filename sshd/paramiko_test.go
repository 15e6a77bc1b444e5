package sshd_test

import (
	"os/exec"
	"testing"
)

// Paramiko is another implementation of SSH, which Ansible and many scripts use.
const paramikoScript = `
import sys, paramiko
port, key, home = int(sys.argv[1]), sys.argv[2], sys.argv[3]
c = paramiko.SSHClient()
c.load_host_keys(sys.argv[4])
c.connect("127.0.0.1", port=port, username="web-shop", key_filename=key, allow_agent=False, look_for_keys=False)
_, out, err = c.exec_command("cat; echo err >&2; exit 3")
_.write("hello"); _.channel.shutdown_write()
assert (out.read(), err.read(), out.channel.recv_exit_status()) == (b"hello", b"err\n", 3)
_, out, _ = c.exec_command("kill -TERM $$")
assert out.channel.recv_exit_status() == -1
s = c.open_sftp()
with s.open("paramiko", "wb") as f: f.write(b"x" * 3000000)
assert s.stat("paramiko").st_size == 3000000 and s.normalize(".") == home, s.normalize(".")
with s.open("paramiko", "rb") as f: assert f.read() == b"x" * 3000000
shell = c.invoke_shell(width=123, height=45)
shell.send("stty size; exit\n")
text = b""
while True:
    part = shell.recv(4096)
    if not part: break
    text += part
assert b"45 123" in text, text
for _ in range(20):
    assert c.exec_command("true")[1].channel.recv_exit_status() == 0
c.close()
`

func TestParamiko(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := run(t, exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", paramikoScript, w.port, w.key, w.place.home, w.knownHosts())); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// A TCP transfer between the kernels of two namespaces.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "support/test_namespace.h"
#include "wire/address.h"

namespace sluice::test {

constexpr L4Port kTransferPort = 4000;
constexpr uint64_t kTransferChunk = 128 * 1024;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  SocketAddress(const IpAddress& address, L4Port port) {
    if (address.is_v4()) {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
      v4->sin_family = AF_INET;
      v4->sin_port = htons(port);
      v4->sin_addr.s_addr = htonl(address.v4());
      size = sizeof *v4;
    } else {
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons(port);
      std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
      size = sizeof *v6;
    }
  }
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A blocking socket of the namespace that gives up after a while instead of hanging the test.
inline FileDescriptor kernel_socket(const TestNamespace& space, int family, int type) {
  FileDescriptor socket(
      space.run([&] { return FileDescriptor(::socket(family, type | SOCK_CLOEXEC, 0)); }));
  REQUIRE(socket.is_open());
  const timeval patience{30, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return socket;
}

// The bytes of the transfer, without keeping them.
inline void fill(Random& random, std::vector<uint64_t>& chunk) {
  for (uint64_t& word : chunk) word = random.next();
}

// Sends `bytes`, a multiple of kTransferChunk, from a kernel to another and calls `pump` until they
// are all there. Returns how many arrived as they were sent.
template <class Pump>
uint64_t transfer(const TestNamespace& from, const TestNamespace& to, const IpAddress& server,
                  uint64_t bytes, Pump pump) {
  const SocketAddress address(server, kTransferPort);
  const FileDescriptor listener = kernel_socket(to, address.family(), SOCK_STREAM);
  const FileDescriptor client = kernel_socket(from, address.family(), SOCK_STREAM);
  REQUIRE(bind(listener.get(), address.get(), address.size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  std::atomic<bool> done = false;
  uint64_t equal = 0;
  std::thread receiver([&] {
    const FileDescriptor server_side(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    Random random(bytes);
    std::vector<uint64_t> expected(kTransferChunk / 8), got(kTransferChunk / 8);
    while (equal < bytes) {
      const ssize_t size = recv(server_side.get(), got.data(), kTransferChunk, MSG_WAITALL);
      if (size <= 0) break;
      fill(random, expected);
      if (std::memcmp(expected.data(), got.data(), static_cast<size_t>(size)) != 0) break;
      equal += static_cast<uint64_t>(size);
    }
    done = true;
  });
  std::thread sender([&] {
    if (connect(client.get(), address.get(), address.size) != 0) return;
    Random random(bytes);
    std::vector<uint64_t> chunk(kTransferChunk / 8);
    for (uint64_t sent = 0; sent < bytes && !done; sent += kTransferChunk) {
      fill(random, chunk);
      if (send(client.get(), chunk.data(), kTransferChunk, MSG_NOSIGNAL) <= 0) break;
    }
  });
  while (!done) pump();
  receiver.join();
  shutdown(client.get(), SHUT_RDWR);
  sender.join();
  return equal;
}

// A figure of the namespace's kernel, such as ("Tcp", "InCsumErrors"), from /proc/net/snmp: a line
// of names, then a line of values, each led by the protocol.
inline uint64_t kernel_counter(const TestNamespace& space, const std::string& protocol,
                               const std::string& name) {
  return space.run([&]() -> uint64_t {
    FILE* file = std::fopen("/proc/thread-self/net/snmp", "r");
    char names[2048], values[2048];
    uint64_t found = UINT64_MAX;
    while (std::fgets(names, sizeof names, file) && std::fgets(values, sizeof values, file)) {
      char *name_state, *value_state;
      char* each_name = strtok_r(names, " :\n", &name_state);
      char* each_value = strtok_r(values, " :\n", &value_state);
      if (protocol != each_name) continue;
      for (; each_name && each_value; each_name = strtok_r(nullptr, " :\n", &name_state),
                                      each_value = strtok_r(nullptr, " :\n", &value_state)) {
        if (name == each_name) found = std::strtoull(each_value, nullptr, 10);
      }
    }
    std::fclose(file);
    return found;
  });
}

}  // namespace sluice::test

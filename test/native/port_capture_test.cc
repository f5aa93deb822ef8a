#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "port/capture_port.h"
#include "port/port_factory.h"
#include "support/memory_pair.h"
#include "support/packet_builder.h"
#include "support/transmit.h"

using namespace sluice;
using namespace sluice::test;

namespace {

// A file name that is free, and is removed at the end.
class TemporaryFile {
 public:
  TemporaryFile() {
    char name[] = "/tmp/sluice-capture-XXXXXX";
    close(mkstemp(name));
    path_ = name;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

  Bytes read() const {
    Bytes bytes;
    FILE* file = std::fopen(path_.c_str(), "rb");
    REQUIRE(file != nullptr);
    for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file)) {
      bytes.push_back(static_cast<uint8_t>(byte));
    }
    std::fclose(file);
    return bytes;
  }

 private:
  std::string path_;
};

struct CapturedFrame {
  uint32_t interface;
  uint64_t time;
  uint32_t flags;
  uint64_t lost;
  Bytes bytes;
};

struct Capture {
  std::vector<std::string> interfaces;
  Bytes resolutions;
  std::vector<CapturedFrame> frames;
};

// Reads a pcapng file by the letter of the format, independently of the writer.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {}

  Capture parse() {
    Capture capture;
    REQUIRE(word(0) == 0x0a0d0d0a);
    REQUIRE(word(8) == 0x1a2b3c4d);
    for (size_t at = 0; at < bytes_.size();) {
      const uint32_t length = word(at + 4);
      REQUIRE(length % 4 == 0);
      REQUIRE(at + length <= bytes_.size());
      REQUIRE(word(at + length - 4) == length);
      if (word(at) == 1) read_interface(at, length, capture);
      if (word(at) == 6) read_frame(at, length, capture);
      at += length;
    }
    return capture;
  }

 private:
  uint32_t word(size_t at) const {
    REQUIRE(at + 4 <= bytes_.size());
    return bytes_[at] | bytes_[at + 1] << 8 | bytes_[at + 2] << 16 |
           static_cast<uint32_t>(bytes_[at + 3]) << 24;
  }

  template <class Visit>
  void options(size_t at, size_t end, Visit visit) const {
    for (;;) {
      REQUIRE(at + 4 <= end);
      const uint16_t code = word(at) & 0xffff, length = word(at) >> 16;
      if (code == 0) break;
      REQUIRE(at + 4 + length <= end);
      visit(code, Bytes(&bytes_[at + 4], &bytes_[at + 4] + length));
      at += 4 + (length + 3) / 4 * 4;
    }
    REQUIRE(at + 4 == end);
  }

  void read_interface(size_t at, uint32_t length, Capture& capture) const {
    CHECK((word(at + 8) & 0xffff) == 1);
    options(at + 16, at + length - 4, [&](uint16_t code, const Bytes& value) {
      if (code == 2) capture.interfaces.emplace_back(value.begin(), value.end());
      if (code == 9) capture.resolutions.push_back(value.at(0));
    });
  }

  void read_frame(size_t at, uint32_t length, Capture& capture) const {
    CapturedFrame frame{};
    frame.interface = word(at + 8);
    frame.time = uint64_t{word(at + 12)} << 32 | word(at + 16);
    const uint32_t captured = word(at + 20);
    CHECK(word(at + 24) == captured);
    frame.bytes.assign(&bytes_[at + 28], &bytes_[at + 28] + captured);
    options(at + 28 + (captured + 3) / 4 * 4, at + length - 4,
            [&](uint16_t code, const Bytes& value) {
              if (code == 2) frame.flags = value.at(0);
              if (code == 4) frame.lost = value.at(0) | uint64_t{value.at(1)} << 8;
            });
    capture.frames.push_back(std::move(frame));
  }

  Bytes bytes_;
};

constexpr uint64_t kWallClock = 1'700'000'000'123'456'789;
constexpr uint32_t kInbound = 1, kOutbound = 2;

}  // namespace

TEST_CASE("ARCH-08 capture port writes what passes, both ways, with times in nanoseconds") {
  TemporaryFile file;
  Random random(2);
  const auto in = random_bytes(random, 61), out = random_bytes(random, 1514);
  const auto super = random_bytes(random, kMaxFrame);
  {
    auto writer = PcapngWriter::create(file.path());
    REQUIRE(writer.ok());
    auto [near, far] = memory_pair();
    MemoryPort& inner = *near;
    CapturePort port(std::move(near), std::move(writer.value()),
                     Duration::nanoseconds(static_cast<int64_t>(kWallClock)));
    REQUIRE(inner.inject(in));
    Batch batch;
    REQUIRE(port.receive(Instant::from_nanoseconds(1), batch) == 1);
    port.release();
    REQUIRE(transmit(port, Instant::from_nanoseconds(2), {out, super}) == 2);
    CHECK(far->take()->bytes == out);
    CHECK(far->take()->bytes == super);
  }
  const Capture capture = Reader(file.read()).parse();
  CHECK(capture.interfaces == std::vector<std::string>{"a"});
  CHECK(capture.resolutions == Bytes{9});
  REQUIRE(capture.frames.size() == 3);
  CHECK(capture.frames[0].bytes == in);
  CHECK(capture.frames[0].flags == kInbound);
  CHECK(capture.frames[0].time == kWallClock + 1);
  CHECK(capture.frames[1].bytes == out);
  CHECK(capture.frames[1].flags == kOutbound);
  CHECK(capture.frames[1].time == kWallClock + 2);
  CHECK(capture.frames[2].bytes == super);
}

TEST_CASE("ARCH-08 capture port: frames of every length, through many flushes") {
  TemporaryFile file;
  constexpr size_t kFrames = 3000;
  {
    auto writer = PcapngWriter::create(file.path());
    REQUIRE(writer.ok());
    const uint32_t first = writer.value()->add_interface("first");
    const uint32_t second = writer.value()->add_interface("second");
    for (size_t i = 0; i < kFrames; ++i) {
      const Bytes frame(14 + i, static_cast<uint8_t>(i));
      writer.value()->add_frame(i % 2 == 0 ? first : second, i, CaptureDirection::inbound, frame);
    }
  }
  const Capture capture = Reader(file.read()).parse();
  CHECK(capture.interfaces == std::vector<std::string>{"first", "second"});
  REQUIRE(capture.frames.size() == kFrames);
  for (size_t i = 0; i < kFrames; ++i) {
    REQUIRE(capture.frames[i].interface == i % 2);
    REQUIRE(capture.frames[i].time == i);
    REQUIRE(capture.frames[i].bytes == Bytes(14 + i, static_cast<uint8_t>(i)));
  }
}

TEST_CASE("ARCH-08 capture port: tcpdump reads the file") {
  if (std::system("tcpdump --version >/dev/null 2>&1") != 0) {
    std::printf("SKIPPED: there is no `tcpdump` command (Debian package tcpdump)\n");
    return;
  }
  TemporaryFile file;
  {
    auto writer = PcapngWriter::create(file.path());
    REQUIRE(writer.ok());
    const uint32_t interface = writer.value()->add_interface("outside");
    Frame frame = PacketBuilder().ipv4("192.0.2.10", "192.0.2.100").udp(1000, 53).build();
    writer.value()->add_frame(interface, kWallClock, CaptureDirection::inbound, frame.bytes());
  }
  FILE* tcpdump = popen(("tcpdump -nn --nano -tt -r " + file.path() + " 2>&1").c_str(), "r");
  REQUIRE(tcpdump != nullptr);
  std::string output;
  for (int byte = std::fgetc(tcpdump); byte != EOF; byte = std::fgetc(tcpdump)) {
    output.push_back(static_cast<char>(byte));
  }
  if (pclose(tcpdump) != 0 && output.find("Couldn't change to") != std::string::npos) {
    std::printf("SKIPPED: tcpdump needs setgroups(2), which a user namespace denies\n");
    return;
  }
  CAPTURE(output);
  CHECK(output.find("1700000000.123456789 ") != std::string::npos);
  CHECK(output.find("192.0.2.10.1000 > 192.0.2.100.53") != std::string::npos);
}

TEST_CASE("ARCH-08 capture port: a frame that was refused is not in the file") {
  TemporaryFile file;
  {
    auto writer = PcapngWriter::create(file.path());
    REQUIRE(writer.ok());
    auto [near, far] = memory_pair(1);
    CapturePort port(std::move(near), std::move(writer.value()), Duration());
    REQUIRE(transmit(port, Instant(), {Bytes(60, 1), Bytes(60, 2)}) == 1);
  }
  const Capture capture = Reader(file.read()).parse();
  REQUIRE(capture.frames.size() == 1);
  CHECK(capture.frames[0].bytes == Bytes(60, 1));
}

TEST_CASE("ARCH-08 capture port: a file that is in use or cannot be made is an error that helps") {
  TemporaryFile file;
  PortOptions options;
  options.name = "near";
  options.capture = file.path();
  auto first = open_ports(options);
  REQUIRE(first.ok());
  auto second = open_ports(options);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().remedy.find("name another") != std::string::npos);
  options.capture = "/nowhere/at/all.pcapng";
  auto third = open_ports(options);
  REQUIRE_FALSE(third.ok());
  CHECK(third.error().operation == "write capture /nowhere/at/all.pcapng");
  CHECK_FALSE(third.error().remedy.empty());
}

TEST_CASE("ARCH-08 capture port: a full disk stops the file and no packet") {
  auto writer = PcapngWriter::create("/dev/full");
  REQUIRE(writer.ok());
  auto [near, far] = memory_pair(1024);
  CapturePort port(std::move(near), std::move(writer.value()), Duration());
  for (int i = 0; i < 600; ++i) {
    REQUIRE(transmit(port, Instant(), {Bytes(1514)}) == 1);
  }
  CHECK(far->discard() == 600);
}

TEST_CASE("ARCH-08 capture port: a FIFO without a reader is refused, a slow reader loses frames") {
  TemporaryFile file;
  REQUIRE(unlink(file.path().c_str()) == 0);
  REQUIRE(mkfifo(file.path().c_str(), 0600) == 0);
  const auto refused = PcapngWriter::create(file.path());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().remedy.find("reader") != std::string::npos);

  const FileDescriptor reader(open(file.path().c_str(), O_RDONLY | O_NONBLOCK));
  REQUIRE(reader.is_open());
  auto writer = PcapngWriter::create(file.path());
  REQUIRE(writer.ok());
  const uint32_t interface = writer.value()->add_interface("outside");
  constexpr size_t kFrames = 1000;
  for (size_t i = 0; i < kFrames; ++i) {
    writer.value()->add_frame(interface, i, CaptureDirection::inbound, Bytes(1514));
  }
  Bytes bytes;
  const auto read_all = [&] {
    const size_t before = bytes.size();
    uint8_t room[65536];
    for (ssize_t size; (size = read(reader.get(), room, sizeof room)) > 0;) {
      bytes.insert(bytes.end(), room, room + size);
    }
    return bytes.size() - before;
  };
  while (read_all() > 0) writer.value()->flush();
  writer.value()->add_frame(interface, kFrames, CaptureDirection::inbound, Bytes(60));
  writer.value()->flush();
  read_all();
  const Capture capture = Reader(bytes).parse();
  REQUIRE(capture.frames.size() > 1);
  const CapturedFrame& last = capture.frames.back();
  CHECK(last.time == kFrames);
  CHECK(last.lost > 0);
  CHECK(capture.frames.size() + last.lost == kFrames + 1);
}

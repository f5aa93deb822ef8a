// addon/: the boundary to JavaScript, and the only folder that includes napi.h. It converts and
// hands on; TypeScript (src/native.ts) has validated, so what does not fit here is a bug there.

#include <napi.h>

#include <chrono>
#include <mutex>
#include <set>

#include "addon/options.h"
#include "port/steering_program.h"
#include "port/xdp_support.h"
#include "process/capability_drop.h"
#include "process/end_guard.h"
#include "process/notify_socket.h"
#include "segment/segment.h"

namespace sluice {

namespace {

// A SegmentError in JavaScript: an Error with operation, errno and remedy.
Napi::Error to_js(Napi::Env env, const Error& error) {
  std::string text = error.operation;
  if (error.error_number != 0) text += ": " + std::string(strerror(error.error_number));
  Napi::Error js = Napi::Error::New(env, text);
  js.Set("operation", Napi::String::New(env, error.operation));
  js.Set("errno", Napi::Number::New(env, error.error_number));
  js.Set("remedy", Napi::String::New(env, error.remedy));
  return js;
}

class SegmentObject;

// Every segment that there is, for the end of the process (end_guard.h), which comes on another
// thread: it closes them between two calls of JavaScript's. A call that does not return in time is
// not waited for.
std::timed_mutex calls;
std::set<SegmentObject*> objects;
constexpr std::chrono::seconds kCallPatience{1};

// interface NativeSegment of src/native.ts. Owns the segment from start() to stop(); the wake
// function lives as long.
class SegmentObject : public Napi::ObjectWrap<SegmentObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Segment",
                       {InstanceMethod("start", &SegmentObject::start),
                        InstanceMethod("submit", &SegmentObject::submit),
                        InstanceMethod("drain", &SegmentObject::drain),
                        InstanceMethod("writeStreams", &SegmentObject::write_streams),
                        InstanceMethod("readStreams", &SegmentObject::read_streams),
                        InstanceMethod("readProgress", &SegmentObject::read_progress),
                        InstanceMethod("readCounters", &SegmentObject::read_counters),
                        InstanceMethod("homesOf", &SegmentObject::homes_of),
                        InstanceMethod("describePorts", &SegmentObject::describe_ports),
                        InstanceMethod("startCapture", &SegmentObject::start_capture),
                        InstanceMethod("drainCapture", &SegmentObject::drain_capture),
                        InstanceMethod("stopCapture", &SegmentObject::stop_capture),
                        InstanceMethod("restoresSettings", &SegmentObject::restores_settings),
                        InstanceMethod("stop", &SegmentObject::stop)});
  }

  explicit SegmentObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const std::lock_guard lock(calls);
    objects.insert(this);
  }
  ~SegmentObject() override {
    const std::lock_guard lock(calls);
    objects.erase(this);
    close();
  }

  static void close_all() {
    const std::unique_lock lock(calls, kCallPatience);
    if (!lock.owns_lock()) return;
    for (SegmentObject* object : objects) object->segment_.reset();
  }

 private:
  Napi::Value start(const Napi::CallbackInfo& info) {
    const std::lock_guard lock(calls);
    const Napi::Env env = info.Env();
    if (segment_ != nullptr) return fail(env, "start: the segment runs already");
    Result<SegmentOptions> options = read_options(info[0].As<Napi::Object>());
    if (!options.ok()) return fail(env, options.error());
    wake_ = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "sluice wake", 0, 1);
    Result<std::unique_ptr<Segment>> started =
        Segment::start(options.value(), [wake = wake_] { wake.NonBlockingCall(); });
    if (!started.ok()) {
      wake_.Release();
      return fail(env, started.error());
    }
    segment_ = std::move(started.value());
    return env.Undefined();
  }

  Napi::Value submit(const Napi::CallbackInfo& info) { return give<&Segment::submit>(info); }
  Napi::Value drain(const Napi::CallbackInfo& info) { return take<&Segment::drain>(info); }
  Napi::Value write_streams(const Napi::CallbackInfo& info) {
    return give<&Segment::write_streams>(info);
  }
  Napi::Value read_streams(const Napi::CallbackInfo& info) {
    return take<&Segment::read_streams>(info);
  }

  // Messages, and how many bytes of them: as many as were taken come back.
  template <size_t (Segment::*kMethod)(ConstByteSpan)>
  Napi::Value give(const Napi::CallbackInfo& info) {
    auto bytes = info[0].As<Napi::Uint8Array>();
    const size_t length = info[1].As<Napi::Number>().Uint32Value();
    if (length > bytes.ByteLength()) {
      Napi::RangeError::New(info.Env(), "`length` is beyond the end of `messages`")
          .ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    const std::lock_guard lock(calls);
    const size_t taken = segment_ == nullptr ? 0 : (*segment_.*kMethod)({bytes.Data(), length});
    return Napi::Number::New(info.Env(), static_cast<double>(taken));
  }

  template <size_t (Segment::*kMethod)(ByteSpan)>
  Napi::Value take(const Napi::CallbackInfo& info) {
    auto into = info[0].As<Napi::Uint8Array>();
    const std::lock_guard lock(calls);
    const size_t filled =
        segment_ == nullptr ? 0 : (*segment_.*kMethod)({into.Data(), into.ByteLength()});
    return Napi::Number::New(info.Env(), static_cast<double>(filled));
  }

  Napi::Value read_progress(const Napi::CallbackInfo& info) {
    auto into = info[1].As<Napi::BigUint64Array>();
    const std::lock_guard lock(calls);
    const RelayProgress* progress =
        segment_ == nullptr ? nullptr
                            : segment_->relay_progress(info[0].As<Napi::Number>().Uint32Value());
    if (progress == nullptr || into.ElementLength() < 2) return info.Env().Undefined();
    into[0] = progress->bytes();
    into[1] = static_cast<uint64_t>(progress->last());
    return info.Env().Undefined();
  }

  Napi::Value read_counters(const Napi::CallbackInfo& info) {
    auto into = info[0].As<Napi::BigUint64Array>();
    const std::lock_guard lock(calls);
    const size_t count =
        segment_ == nullptr ? 0 : segment_->read_counters({into.Data(), into.ElementLength()});
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  Napi::Value homes_of(const Napi::CallbackInfo& info) {
    auto address = info[0].As<Napi::Uint8Array>();
    const uint32_t first = info[1].As<Napi::Number>().Uint32Value();
    auto into = info[2].As<Napi::Uint8Array>();
    const std::lock_guard lock(calls);
    if (segment_ != nullptr && address.ByteLength() == sizeof(IpAddress::bytes)) {
      segment_->homes_of(IpAddress::load_v6(address.Data()), static_cast<L4Port>(first),
                         {into.Data(), into.ByteLength()});
    }
    return info.Env().Undefined();
  }

  Napi::Value describe_ports(const Napi::CallbackInfo& info) {
    const std::lock_guard lock(calls);
    Napi::Array texts = Napi::Array::New(info.Env());
    if (segment_ == nullptr) return texts;
    for (const std::string& text : segment_->port_descriptions()) {
      texts.Set(texts.Length(), Napi::String::New(info.Env(), text));
    }
    return texts;
  }

  Napi::Value start_capture(const Napi::CallbackInfo& info) {
    const CaptureOrder order = read_capture_order(info[0].As<Napi::Object>());
    const std::lock_guard lock(calls);
    if (segment_ == nullptr || !segment_->start_capture(order)) return info.Env().Null();
    return to_buffer(info.Env(), segment_->capture_head(order.most_bytes));
  }

  Napi::Value drain_capture(const Napi::CallbackInfo& info) {
    auto into = info[0].As<Napi::Uint8Array>();
    const std::lock_guard lock(calls);
    const size_t filled =
        segment_ == nullptr ? 0 : segment_->drain_capture({into.Data(), into.ByteLength()});
    return Napi::Number::New(info.Env(), static_cast<double>(filled));
  }

  Napi::Value stop_capture(const Napi::CallbackInfo& info) {
    const std::lock_guard lock(calls);
    if (segment_ == nullptr) return to_buffer(info.Env(), {});
    segment_->stop_capture();
    return to_buffer(info.Env(), segment_->capture_tail());
  }

  static Napi::Value to_buffer(Napi::Env env, const std::vector<uint8_t>& bytes) {
    return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
  }

  Napi::Value restores_settings(const Napi::CallbackInfo& info) {
    const std::lock_guard lock(calls);
    return Napi::Boolean::New(info.Env(), segment_ != nullptr && segment_->restores_settings());
  }

  Napi::Value stop(const Napi::CallbackInfo& info) {
    const std::lock_guard lock(calls);
    close();
    return info.Env().Undefined();
  }

  void close() {
    if (segment_ == nullptr) return;
    segment_.reset();  // joins the worker: nobody calls wake_ after this
    wake_.Release();
  }

  static Napi::Value fail(Napi::Env env, const Error& error) {
    to_js(env, error).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  static Napi::Value fail(Napi::Env env, const char* operation) {
    return fail(env, Error{operation, 0, {}});
  }

  std::unique_ptr<Segment> segment_;
  Napi::ThreadSafeFunction wake_;
};

// interface Addon of src/native.ts.
Napi::Value xdp_support_of(const Napi::CallbackInfo& info) {
  Result<XdpSupport> found =
      xdp_support(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
  const char* name = "unknown";
  switch (found.ok() ? found.value() : XdpSupport::unknown) {
    case XdpSupport::unknown: break;
    case XdpSupport::generic: name = "generic"; break;
    case XdpSupport::driver: name = "driver"; break;
    case XdpSupport::zero_copy: name = "zero copy"; break;
  }
  return Napi::String::New(info.Env(), name);
}

// Throws why the kernel does not steer; what it loaded goes at once.
Napi::Value try_steering(const Napi::CallbackInfo& info) {
  const Result<SteeringPrograms> loaded = SteeringPrograms::load(Steering(1, 2));
  if (!loaded.ok()) to_js(info.Env(), loaded.error()).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

Napi::Value guard_end_after(const Napi::CallbackInfo& info) {
  guard_end(info[0].As<Napi::Number>().Int32Value(), SegmentObject::close_all);
  return info.Env().Undefined();
}

// Takes the bits of the capabilities that stay.
Napi::Value drop_capabilities_but(const Napi::CallbackInfo& info) {
  const auto bits = info[0].As<Napi::Array>();
  uint64_t kept = 0;
  for (uint32_t i = 0; i < bits.Length(); ++i) {
    kept |= uint64_t{1} << bits.Get(i).ToNumber().Uint32Value();
  }
  const Status dropped = drop_capabilities(kept);
  if (!dropped.ok()) to_js(info.Env(), dropped.error()).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

Napi::Value notify(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const std::string message = info[1].As<Napi::String>().Utf8Value();
  if (const Status sent = send_to_notify_socket(path, message); !sent.ok()) {
    to_js(info.Env(), sent.error()).ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Segment", SegmentObject::define(env));
  exports.Set("guardEnd", Napi::Function::New(env, guard_end_after, "guardEnd"));
  exports.Set("dropCapabilities",
              Napi::Function::New(env, drop_capabilities_but, "dropCapabilities"));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  exports.Set("xdpSupport", Napi::Function::New(env, xdp_support_of, "xdpSupport"));
  exports.Set("trySteering", Napi::Function::New(env, try_steering, "trySteering"));
  return exports;
}

}  // namespace

NODE_API_MODULE(sluice, init)

}  // namespace sluice

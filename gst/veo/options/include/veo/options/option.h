// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One row of the table of options (option_table.h). The row has everything that the project knows
// about an option. The GObject properties, the flags of the command with their completions and man
// page, the members of a batch line, the parameters of a URI, the C API's settings, the tables of
// docs/ and the rule for equal jobs all come from the row.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "veo/core/given.h"
#include "veo/options/options.h"

namespace veo {

/// The value of an option, for all who set or read the option. The value of a choice is its number.
using OptionValue = std::variant<bool, std::int64_t, std::string, std::vector<std::string>,
                                 std::shared_ptr<GTlsDatabase>>;

struct OptionChoice {
  std::string_view nick;
  int number;                    ///< of the GEnumValue
  std::string_view description;  ///< the GEnumValue's name
};

/// The values that an option takes. All views are of literals, so they end with a NUL.
struct OptionType {
  /// In the order of OptionValue's alternatives, except for `choice`, which is a number.
  enum class Kind { flag, number, text, list, object, choice };
  Kind kind;
  std::string_view form;  ///< how people write a text, a number or an item of a list: `SECONDS`
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t standard =
      0;  ///< the default of a flag (0 or 1) or a number; the default of a choice is 0
  std::string_view enum_name;  ///< the GType of the choices
  std::span<const OptionChoice> choices;
};

/// Who may set an option.
enum class OptionSetter : unsigned {
  source_element = 1,     ///< veosrc
  extension_element = 2,  ///< veoextend
  command = 4,            ///< a flag of veo
  c_api = 8,              ///< veo_stream_set()
  batch = 16,             ///< a line of a batch file, which may come from anybody
  uri = 32,               ///< a veo:clip URI, which may come from anybody
};
constexpr OptionSetter operator|(OptionSetter a, OptionSetter b) {
  return static_cast<OptionSetter>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool includes(OptionSetter setters, OptionSetter one) {
  return (static_cast<unsigned>(setters) & static_cast<unsigned>(one)) != 0;
}

/// Where in Options the value is. member<>() and the other functions of option_member.h make an
/// OptionMember.
struct OptionMember {
  /// Returns monostate if the member is unset: the option then reads as its default.
  std::variant<std::monostate, OptionValue> (*get)(const Options&);
  /// `value` is of the option's type and range.
  void (*set)(Options&, OptionValue value);
  bool (*is_equal)(const Options&, const Options&);
  bool (*is_for)(OptionType::Kind);
  bool is_secret;
};

struct Option {
  /// Headings of --help and of the docs. A command takes all options of a group.
  enum class Group {
    request,  ///< what to generate
    money,    ///< which task, and what it may cost
    files,    ///< where clips and the record of paid work are
    service,  ///< where the service is
    waiting,  ///< how long to wait, and how often to try
    stream,   ///< what comes out
    film,     ///< how to join clips into a film
  };
  /// Which thing becomes another one when the value of the option changes.
  enum class Identity {
    request,  ///< the request: another value makes another task, which costs credits of its own
    job,      ///< the job: the same task, but another job in this process
    reader,   ///< only the view of one reader: both readers share one job
  };
  /// What a program that reads the option sees.
  enum class Exposure { open, redacted, secret };

  Given<std::string_view> name;
  Given<std::string_view> title;  ///< the GObject nick
  /// One text for gst-inspect, --help, the man page, completions and docs. No period at its end.
  Given<std::string_view> help;
  Given<Group> group;
  Given<OptionType> type;
  Given<OptionMember> member;
  Given<Identity> identity;
  Given<OptionSetter> setters;
  Given<std::string_view> since;

  std::string_view unset = "";  ///< what counts while the text is unset
  /// The default of the command, in words, if the command has its own.
  std::string_view command_default = "";
  Exposure exposure = Exposure::open;
  bool is_task_id = false;     ///< the text must be a task id
  bool fits_extension = true;  ///< false: the service accepts the option for new videos only
};

}  // namespace veo

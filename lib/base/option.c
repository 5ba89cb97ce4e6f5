#include "base/option.h"

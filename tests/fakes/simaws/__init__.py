"""A simulated AWS, as strict as the documented service, with faults: what the publisher's tests run against.

``SimulatedAws`` is the state and the gate that every call passes (quota, latency, faults, log). Two front ends lead to
the same state: ``SimLambda``, the publisher's port without a network and in virtual time, and ``serve``, an HTTP
server for real boto3 and the AWS CLI.

    client ──> SimLambda ──┐
                           ├──> SimulatedAws.call ──> RegionLayers, one for each region
    boto3 ───> HTTP ───────┘      quota, faults, log
"""

from tests.fakes.simaws.aws import Broken, Call, SimulatedAws
from tests.fakes.simaws.clock import VirtualClock
from tests.fakes.simaws.faults import At, Fault, Faults
from tests.fakes.simaws.layers import AwsError
from tests.fakes.simaws.port import SimLambda

__all__ = ["At", "AwsError", "Broken", "Call", "Fault", "Faults", "SimLambda", "SimulatedAws", "VirtualClock"]
